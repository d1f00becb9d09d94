"""Score models, or pictures made by other tools, on a folder of photos."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The scores of one picture made by one variant.

    seconds: time to make it.
    values: score by metric; None if the metric does not apply, for example to tiny pictures.
    """

    variant: str
    scale: int
    image: str
    seconds: float
    values: dict[str, float | None]

    def to_dict(self) -> dict:
        return {k: getattr(self, k) for k in ("variant", "scale", "image", "seconds")} | self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Mean scores over the pictures of a data set; median and worst for metrics with `spread`."""

    variant: str
    scale: int
    images: int
    failed: int
    values: dict[str, float | None]

    def to_dict(self) -> dict:
        return {k: getattr(self, k) for k in ("variant", "scale", "images", "failed")} | self.values


@dataclass(slots=True, kw_only=True)
class RunLog:
    """How a run went.

    problems: one sentence per failure.
    failed: number of failures by variant and scale.
    making, measuring: seconds spent on each.
    """

    problems: list[str] = field(default_factory=list)
    failed: Counter[tuple[str, int]] = field(default_factory=Counter)
    making: float = 0.0
    measuring: float = 0.0


class Photos:
    """A folder of originals, read when needed.

    low: a folder with the low-resolution versions, matched by name.
    degradation: the preset to make low-resolution versions with; bicubic if neither is given.
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
        """The photo, cropped at the right and bottom to a multiple of the scale, and its low-resolution version.

        Raises PairError.
        """
        photo = opaque(path).rgb()
        height, width = (n // scale for n in photo.shape[:2])
        if min(height, width) < 3:  # smaller results have nothing left without their border
            raise PairError(f"{path} is too small for x{scale}")
        reference = photo[: height * scale, : width * scale]
        if self.degradation is not None:
            made = synthetic.draw(self.degradation, scale, synthetic.seed_of(path.name, scale), grey=is_grey(reference))
            return Case(name=path.name, scale=scale, reference=reference, low=made(reference, Size(height, width)))
        if self.low is None:
            return Case(name=path.name, scale=scale, reference=reference, low=downscale(reference, height, width))
        return Case(
            name=path.name,
            scale=scale,
            reference=reference,
            low=self.low.find(path.name, Size(height, width), reference),
        )


class Watcher:
    """Observes the results of a run; this base class ignores them."""

    def wants(self, image: str, scale: int) -> bool:
        """Whether all variants of a picture should be made, even those already scored."""
        return False

    def see(self, case: Case, made: dict[str, np.ndarray]) -> None:
        """Called with a picture and all its results, by label."""


def score(
    variants: Sequence[Variant],
    photos: Photos,
    scales: Sequence[int],
    metrics: Sequence[Metric],
    log: RunLog,
    done: Callable[[str, int, str], bool] = lambda variant, scale, image: False,
    progress: Callable[[int, int], None] = lambda finished, total: None,
    watcher: Watcher | None = None,
) -> Iterator[Score]:
    """Yield the scores of every variant on every photo at every scale.

    log: receives failures and times.
    done: whether a score exists already and can be skipped.
    watcher: observes the results.

    PSNR and SSIM leave out a border of `scale` pixels, as in the papers; other metrics see the whole picture.
    """
    watcher = watcher or Watcher()
    total, finished = len(photos) * len(scales), 0
    for scale in scales:
        for path in photos.files:
            fresh = {v.label for v in variants if not done(v.label, scale, path.name)}
            wanted = variants if watcher.wants(path.name, scale) else [v for v in variants if v.label in fresh]
            if wanted:
                yield from _picture(wanted, fresh, (photos, path, scale), metrics, log, watcher)
            finished += 1
            progress(finished, total)


def _picture(
    variants: Sequence[Variant],
    fresh: set[str],
    place: tuple[Photos, Path, int],
    metrics: Sequence[Metric],
    log: RunLog,
    watcher: Watcher,
) -> Iterator[Score]:
    """Make all variants of one photo and yield the scores of the `fresh` ones."""
    photos, path, scale = place
    try:
        case = photos.case(path, scale)
    except SrcliError as error:
        log.problems.append(str(error))
        log.failed.update((label, scale) for label in fresh)
        return
    original, results = Original(case.reference, case.low, scale), {}
    for variant in variants:
        start = time.perf_counter()
        try:
            made = variant.make(case)
        except SrcliError as error:
            named = isinstance(error, PairError | ImageError)
            log.problems.append(str(error) if named else f"{case.name}, {variant.label}: {error}")
            log.failed[variant.label, scale] += 1
            continue
        seconds = time.perf_counter() - start
        if made[0].image is not None:
            results[variant.label] = made[0].image
        if variant.label in fresh:
            yield _score(variant, case, original, made, seconds, metrics, log)
            log.making += seconds
            log.measuring += time.perf_counter() - start - seconds
    watcher.see(case, results)


def _score(
    variant: Variant,
    case: Case,
    original: Original,
    made: Sequence[Made],
    seconds: float,
    metrics: Sequence[Metric],
    log: RunLog,
) -> Score:
    if lost := sum(m.image is None for m in made):
        log.problems.append(f"{case.name}, {variant.label}: {lost} of {len(made)} results are not finite")
        log.failed[variant.label, case.scale] += 1
    values = {metric.name: metric.score(made, original) for metric in metrics}
    return Score(variant=variant.label, scale=case.scale, image=case.name, seconds=seconds, values=values)


def summarise(
    scores: Sequence[Score], metrics: Sequence[Metric], labels: Sequence[str], scales: Sequence[int], log: RunLog
) -> list[Row]:
    """One row per scale and variant, in order, including variants without any score."""
    groups: dict[tuple[str, int], list[Score]] = {(label, scale): [] for scale in scales for label in labels}
    for s in scores:
        groups[s.variant, s.scale].append(s)
    return [
        Row(
            variant=label,
            scale=scale,
            images=len(group),
            failed=log.failed[label, scale],
            values=_means(group, metrics),
        )
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
