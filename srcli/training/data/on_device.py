"""Batches that are made on the device of a run: pictures lie there as uint8, and what is cut and degraded is tensor
code. What is drawn of a seed and a step is the same as on the CPU, but for the noise itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from srcli.degradation.batched.jpeg import jpeg
from srcli.degradation.batched.noise import noisy
from srcli.degradation.batched.resize import enlarged, reduced
from srcli.degradation.batched.squares import Squares, on
from srcli.degradation.batched.synthetic import degraded
from srcli.degradation.codecs import JpegFile
from srcli.degradation.sensor import Grain
from srcli.degradation.synthetic import Degradation, Jpeg, Noise
from srcli.training.data.degraded import EVERYDAY, DegradedBatch, DegradedSpec, Plan
from srcli.training.data.lesson_files import PICTURES, LessonFiles
from srcli.training.data.lessons import LessonBatch, LessonSpec
from srcli.training.data.photos import Batch, CropPlan, CropSpec, Photos, TrainingDataError, plan
from srcli.training.data.places import Place
from srcli.training.data.shown import Shown

B = TypeVar("B")


def why_not(spec: object, source: object) -> str:
    """Why batches cannot be made on a device; empty where they can."""
    if isinstance(spec, LessonSpec) and isinstance(source, LessonFiles):
        return ""
    if not isinstance(spec, DegradedSpec | CropSpec) or not isinstance(source, Photos):
        return f"there is no tensor code for {type(spec).__name__} from {type(source).__name__}"
    if spec.preset == EVERYDAY:
        return "everyday degradations have no tensor code"
    return "graphics are drawn on the CPU" if spec.graphics_share else ""


@dataclass(frozen=True, slots=True)
class Pending(Generic[B]):
    """A batch that is drawn; `to` computes it. make: to the batch."""

    make: Callable[[], B]

    def to(self, device: str) -> B:
        """The batch, on the device of its pictures."""
        return self.make()


class DeviceCrops:
    """How batches are cut and degraded on a device.

    source: photos or lessons, which are copied to the device. Raises TrainingDataError where `why_not` has a reason.
    """

    def __init__(self, spec: Any, source: object, device: str) -> None:
        if reason := why_not(spec, source):
            raise TrainingDataError(f"batches cannot be made on the device: {reason}")
        self.spec, self.device = spec, torch.device(device)
        if isinstance(source, LessonFiles):
            self.lessons = {name: torch.from_numpy(v).to(self.device) for name, v in source.everything().items()}
        elif isinstance(source, Photos):
            self.pictures = Pictures(source.images, self.device)

    @property
    def shortest(self) -> int:
        return int(self.spec.shortest)

    @property
    def preset(self) -> str | None:
        return None if self.spec.preset is None else str(self.spec.preset)

    def show(self, source: Any, seed: int, step: int) -> list[Shown]:
        """The batch of one step, as the CPU makes it, to look at."""
        return list(self.spec.show(source, seed, step))

    def draw(self, source: Any, seed: int, step: int) -> Pending[Any]:
        """The batch of one step, not yet computed."""
        rng = np.random.default_rng((seed, step))
        noise = int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)
        count = range(self.spec.batch)
        if isinstance(source, LessonFiles):
            places = [self.spec.place(rng, source.draw(rng), source.side) for _ in count]
            return Pending(lambda: self._lessons(places))
        if isinstance(self.spec, DegradedSpec):
            plans = [self.spec.plan(source, rng) for _ in count]
            return Pending(lambda: self._degraded(self.spec, plans, noise))
        crops = [plan(source, self.spec, rng) for _ in count]
        return Pending(lambda: self._crops(self.spec, crops, noise))

    def _lessons(self, places: Sequence[Place]) -> LessonBatch:
        kept = [self.lessons[name] for name in PICTURES]
        side = kept[0].shape[1]
        truth, lr, taught = (
            cut(pictures.view(-1, 3), places, [p.index * side * side for p in places], [side] * len(places)) / 255
            for pictures in kept
        )
        return LessonBatch(truth, lr, taught, self.lessons["kind"][on(truth, [p.index for p in places])].long())

    def _degraded(self, spec: DegradedSpec, plans: Sequence[Plan], seed: int) -> DegradedBatch:
        generator, side = torch.Generator(self.device).manual_seed(seed), spec.shortest
        photos = Squares(self.pictures.cut([p.place for p in plans]), (side,) * len(plans))
        small = degraded(photos, [p.degradation for p in plans], [p.low for p in plans], generator)
        every = torch.arange(spec.crop, device=self.device)
        begin = ([p.top for p in plans], [p.left for p in plans])
        rows, cols = (every + on(photos.pixels, starts)[:, None] for starts in begin)
        sharp = _negatives(photos, [p.negative for p in plans], generator)
        return DegradedBatch(
            sharp.at(rows, cols) / 255,
            enlarged(small, side, rows, cols) / 255,
            on(photos.pixels, [side / p.low for p in plans]),
            on(photos.pixels, [1.0 if p.negative is None else 0.0 for p in plans]),
        )

    def _crops(self, spec: CropSpec, plans: Sequence[CropPlan], seed: int) -> Batch:
        sides = tuple(p.place.side for p in plans)
        photos = Squares(self.pictures.cut([p.place for p in plans]), sides)
        lr = reduced(photos, spec.crop)
        generator = torch.Generator(self.device).manual_seed(seed)
        whole = [photos.pixels[n, :, :side, :side] / 255 for n, side in enumerate(sides)]
        windows = [(item, *corner) for item, crop in enumerate(plans) for corner in crop.corners]
        scales = [side / spec.crop for crop, side in zip(plans, sides, strict=True) for _ in crop.corners]
        lr = _harmed(lr, plans, generator)
        return Batch(lr.pixels / 255, whole, windows, spec.window * spec.patch, torch.tensor(scales))


class Pictures:
    """Pictures of any size as one row of pixels on a device, (N, 3) in uint8."""

    def __init__(self, images: Sequence[np.ndarray], device: torch.device) -> None:
        self.pixels = torch.cat([torch.from_numpy(np.array(i)).view(-1, 3) for i in images]).to(device)
        self.widths = [i.shape[1] for i in images]
        sizes = [i.shape[0] * i.shape[1] for i in images]
        self.starts = np.cumsum([0, *sizes])[:-1].tolist()

    def cut(self, places: Sequence[Place]) -> Tensor:
        """Squares, 8-bit values in float32 (B, 3, n, n) of the largest side; smaller ones repeat their last pixels."""
        starts = [self.starts[p.index] for p in places]
        return cut(self.pixels, places, starts, [self.widths[p.index] for p in places])


def cut(pixels: Tensor, places: Sequence[Place], starts: Sequence[int], widths: Sequence[int]) -> Tensor:
    """Squares of pictures that lie one after the other in pixels (N, 3): float32 (B, 3, n, n).

    starts, widths: the first pixel of each square's picture, and its width.
    """
    steps = [_steps(place, start, width) for place, start, width in zip(places, starts, widths, strict=True)]
    first, down, across = (on(pixels, values)[:, None] for values in zip(*steps, strict=True))
    at = torch.arange(max(p.side for p in places), device=pixels.device)
    at = torch.minimum(at, on(pixels, [p.side for p in places])[:, None] - 1)
    index = (first + down * at)[:, :, None] + (across * at)[:, None]
    return pixels[index].permute(0, 3, 1, 2).float()


def _steps(place: Place, start: int, width: int) -> tuple[int, int, int]:
    """The pixel in a square's corner, and how many further the one below it and the one beside it are."""
    far, (down, across) = place.side - 1, place.flipped
    first = start + (place.top + (far if down else 0)) * width + place.left + (far if across else 0)
    below, beside = -width if down else width, -1 if across else 1
    return (first, beside, below) if place.turned else (first, below, beside)


def _negatives(photos: Squares, negatives: Sequence[Degradation | None], generator: torch.Generator) -> Squares:
    """Photos, of which some are degraded at their own size."""
    rows = [n for n, negative in enumerate(negatives) if negative is not None]
    drawn = [negative for negative in negatives if negative is not None]

    def change(some: Squares) -> Tensor:
        pixels = degraded(some, drawn, some.sides, generator).pixels
        return pixels[..., : some.canvas, : some.canvas]

    return photos.changed(rows, change)


def _harmed(squares: Squares, plans: Sequence[CropPlan], generator: torch.Generator) -> Squares:
    """Crops with the light harm of their plans."""
    files = [n for n, p in enumerate(plans) if isinstance(p.harm, JpegFile)]
    grains = [n for n, p in enumerate(plans) if isinstance(p.harm, Grain)]
    jpegs = [h for p in plans if isinstance(h := p.harm, JpegFile)]
    noises = [h for p in plans if isinstance(h := p.harm, Grain)]
    squares = squares.changed(
        files,
        lambda some: jpeg(some, [Jpeg(f.quality, f.halved) for f in jpegs], [(f.top, f.left) for f in jpegs]),
    )
    kinds = [Noise(kind=g.kind, sigma=g.sigma, grey=g.grey, seed=g.seed) for g in noises]
    return squares.changed(grains, lambda some: noisy(some, kinds, generator))
