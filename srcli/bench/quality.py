"""Quality of models, or of ready pictures, on a folder of photos by the field's definitions."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srcli.bench.metrics import Metric, Original
from srcli.bench.variants import Case, Made, PairError, Ready, Variant, is_grey, opaque
from srcli.degradation import synthetic
from srcli.degradation.bicubic import downscale
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, folders


@dataclass(frozen=True, slots=True)
class Score:
    """One picture made by one variant. A value is None where the metric has no meaning, as for tiny pictures."""

    variant: str
    scale: int
    image: str
    seconds: float  # to make it
    values: dict[str, float | None]

    def to_dict(self) -> dict:
        return {k: getattr(self, k) for k in ("variant", "scale", "image", "seconds")} | self.values


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the pictures of a data set; median and worst of metrics with `spread`."""

    variant: str
    scale: int
    images: int
    failed: int
    values: dict[str, float | None]

    def to_dict(self) -> dict:
        return {k: getattr(self, k) for k in ("variant", "scale", "images", "failed")} | self.values


@dataclass(slots=True)
class Course:
    """How a run went: what failed, in one sentence each, and where the time went."""

    problems: list[str] = field(default_factory=list)
    failed: Counter[tuple[str, int]] = field(default_factory=Counter)  # by variant and scale
    making: float = 0.0  # seconds
    measuring: float = 0.0


class Photos:
    """A folder of originals, and one of small pictures where those are given; read when they are asked for.

    degradation: the preset that small pictures are made with instead of bicubic, the same for a name and scale.
    """

    def __init__(self, folder: Path, low: Path | None = None, degradation: str | None = None) -> None:
        for each in (folder, *([low] if low else [])):
            if not each.is_dir():
                raise SrcliError(f"{each} is not a folder")
        self.folder, self.files = folder, folders.pictures(folder)
        if not self.files:
            raise SrcliError(f"no photos in {folder}")
        self.low = None if low is None else Ready(low)
        self.degradation = degradation

    def __len__(self) -> int:
        return len(self.files)

    def case(self, path: Path, scale: int) -> Case:
        """The photo, cut to a multiple of the scale from its upper left, and Pillow's antialiased 8-bit bicubic of it,
        a degraded version, or the given small picture."""
        photo = opaque(path).rgb()
        height, width = (n // scale for n in photo.shape[:2])
        if min(height, width) < 3:  # nothing is left of less without the border
            raise PairError(f"{path} is too small for x{scale}")
        reference = photo[: height * scale, : width * scale]
        if self.degradation is not None:
            made = synthetic.draw(self.degradation, scale, synthetic.seed_of(path.name, scale), grey=is_grey(reference))
            return Case(path.name, scale, reference, made(reference, Size(height, width)))
        if self.low is None:
            return Case(path.name, scale, reference, downscale(reference, height, width))
        return Case(path.name, scale, reference, self.low.find(path.name, Size(height, width), reference))


class Watcher:
    """Is shown pictures with all that was made of them; here nothing is done with them."""

    def wants(self, image: str, scale: int) -> bool:
        """Whether all variants should be made of a picture, those with a score too."""
        return False

    def see(self, case: Case, made: dict[str, np.ndarray]) -> None:
        """A picture and the results by label, after the last of them."""


def score(
    variants: Sequence[Variant],
    photos: Photos,
    scales: Sequence[int],
    metrics: Sequence[Metric],
    course: Course,
    done: Callable[[str, int, str], bool] = lambda variant, scale, image: False,
    progress: Callable[[int, int], None] = lambda finished, total: None,
    watcher: Watcher | None = None,
) -> Iterator[Score]:
    """Every variant on every photo at every scale but those `done` before.

    Borders of `scale` pixels are left out of PSNR and SSIM, as in the papers; the other metrics see the whole picture.
    """
    watcher = watcher or Watcher()
    total, finished = len(photos) * len(scales), 0
    for scale in scales:
        for path in photos.files:
            fresh = {v.label for v in variants if not done(v.label, scale, path.name)}
            wanted = variants if watcher.wants(path.name, scale) else [v for v in variants if v.label in fresh]
            if wanted:
                yield from _picture(wanted, fresh, (photos, path, scale), metrics, course, watcher)
            finished += 1
            progress(finished, total)


def _picture(
    variants: Sequence[Variant],
    fresh: set[str],
    place: tuple[Photos, Path, int],
    metrics: Sequence[Metric],
    course: Course,
    watcher: Watcher,
) -> Iterator[Score]:
    """All variants of one photo; scores of the `fresh` ones."""
    photos, path, scale = place
    try:
        case = photos.case(path, scale)
    except SrcliError as error:
        course.problems.append(str(error))
        course.failed.update((label, scale) for label in fresh)
        return
    original, results = Original(case.reference, case.low, scale), {}
    for variant in variants:
        start = time.perf_counter()
        try:
            made = variant.make(case)
        except SrcliError as error:
            named = isinstance(error, PairError | ImageError)
            course.problems.append(str(error) if named else f"{case.name}, {variant.label}: {error}")
            course.failed[variant.label, scale] += 1
            continue
        seconds = time.perf_counter() - start
        if made[0].image is not None:
            results[variant.label] = made[0].image
        if variant.label in fresh:
            yield _score(variant, case, original, made, seconds, metrics, course)
            course.making += seconds
            course.measuring += time.perf_counter() - start - seconds
    watcher.see(case, results)


def _score(
    variant: Variant,
    case: Case,
    original: Original,
    made: Sequence[Made],
    seconds: float,
    metrics: Sequence[Metric],
    course: Course,
) -> Score:
    if lost := sum(m.image is None for m in made):
        course.problems.append(f"{case.name}, {variant.label}: {lost} of {len(made)} results are not finite")
        course.failed[variant.label, case.scale] += 1
    values = {metric.name: metric.of(made, original) for metric in metrics}
    return Score(variant.label, case.scale, case.name, seconds, values)


def summarise(
    scores: Sequence[Score], metrics: Sequence[Metric], labels: Sequence[str], scales: Sequence[int], course: Course
) -> list[Row]:
    """One row per scale and variant, in their order; also for variants of which nothing could be scored."""
    groups: dict[tuple[str, int], list[Score]] = {(label, scale): [] for scale in scales for label in labels}
    for s in scores:
        groups[s.variant, s.scale].append(s)
    return [
        Row(label, scale, len(group), course.failed[label, scale], _means(group, metrics))
        for (label, scale), group in groups.items()
    ]


def _means(group: Sequence[Score], metrics: Sequence[Metric]) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for metric in metrics:
        found = [v for s in group if (v := s.values.get(metric.name)) is not None]
        if metric.spread:
            worst = min if metric.higher_is_better else max
            values[f"{metric.name}_median"] = statistics.median(found) if found else None
            values[f"{metric.name}_worst"] = worst(found, default=None)
        else:
            values[metric.name] = float(np.mean(found)) if found else None
    return values
