"""Quality of models, or of ready pictures, on a folder of photos by the field's definitions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srcli import images
from srcli.bench.metrics import Metric, Original
from srcli.bench.variants import Case, PairError, Ready, Variant, is_grey
from srcli.degradation.bicubic import downscale
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import folders


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
    values: dict[str, float | None]

    def to_dict(self) -> dict:
        return {"variant": self.variant, "scale": self.scale, "images": self.images} | self.values


@dataclass(slots=True)
class Course:
    """How a run went: what failed, in one sentence each, and where the time went."""

    problems: list[str] = field(default_factory=list)
    making: float = 0.0  # seconds
    measuring: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.problems)


class Photos:
    """A folder of originals, and one of small pictures where those are given; read when they are asked for."""

    def __init__(self, folder: Path, low: Path | None = None) -> None:
        for each in (folder, *([low] if low else [])):
            if not each.is_dir():
                raise SrcliError(f"{each} is not a folder")
        self.folder, self.files = folder, folders.pictures(folder)
        if not self.files:
            raise SrcliError(f"no photos in {folder}")
        self.low = None if low is None else Ready(low)

    def __len__(self) -> int:
        return len(self.files)

    def case(self, path: Path, scale: int) -> Case:
        """The photo, cut to a multiple of the scale from its upper left, and Pillow's antialiased 8-bit bicubic of it,
        or the given small picture."""
        photo = images.read(path).rgb()
        height, width = (n // scale for n in photo.shape[:2])
        if not height or not width:
            raise PairError(f"{path} is too small for x{scale}")
        reference = photo[: height * scale, : width * scale]
        if self.low is None:
            return Case(path.name, scale, reference, downscale(reference, height, width))
        small = self.low.find(path.name, Size(height, width), grey=is_grey(reference))
        return Case(path.name, scale, reference, small)


def score(
    variants: Sequence[Variant],
    photos: Photos,
    scales: Sequence[int],
    metrics: Sequence[Metric],
    course: Course,
    done: Callable[[str, int, str], bool] = lambda variant, scale, image: False,
    see: Callable[[Case, np.ndarray], None] = lambda case, image: None,
    progress: Callable[[int, int], None] = lambda finished, total: None,
) -> Iterator[Score]:
    """Every variant on every photo at every scale but those `done` before. `see` is shown each result.

    Borders of `scale` pixels are left out of PSNR and SSIM, as in the papers; the other metrics see the whole picture.
    """
    total, finished = len(variants) * len(photos) * len(scales), 0
    for scale in scales:
        for path in photos.files:
            wanted = [v for v in variants if not done(v.label, scale, path.name)]
            finished += len(variants) - len(wanted)
            try:
                case = photos.case(path, scale) if wanted else None
            except SrcliError as error:
                course.problems.append(str(error))
                wanted, case = [], None
            if case is not None:
                original = Original(case.reference, case.low, scale)
                for variant in wanted:
                    made = _scored(variant, case, original, metrics, course, see)
                    if made is not None:
                        yield made
                    finished += 1
                    progress(finished, total)
            progress(finished, total)


def _scored(
    variant: Variant,
    case: Case,
    original: Original,
    metrics: Sequence[Metric],
    course: Course,
    see: Callable[[Case, np.ndarray], None],
) -> Score | None:
    start = time.perf_counter()
    try:
        made = variant.make(case)
    except SrcliError as error:
        course.problems.append(str(error))
        return None
    seconds = time.perf_counter() - start
    values = {metric.name: metric.of(made, original) for metric in metrics}
    course.making += seconds
    course.measuring += time.perf_counter() - start - seconds
    see(case, made[0].image)
    return Score(variant.label, case.scale, case.name, seconds, values)


def summarise(scores: Sequence[Score], metrics: Sequence[Metric]) -> list[Row]:
    """One row per scale and variant, in the order of the scores."""
    groups: dict[tuple[int, str], list[Score]] = {}
    for s in scores:
        groups.setdefault((s.scale, s.variant), []).append(s)
    return [Row(variant, scale, len(g), _means(g, metrics)) for (scale, variant), g in groups.items()]


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
