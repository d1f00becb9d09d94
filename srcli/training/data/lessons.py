"""What a teacher makes of degraded pictures, to be learned from.

A lesson is a square of a sharp picture, the enlarged small version of it, and the teacher's picture with the low
frequencies of the sharp one: the teacher is asked for detail, not for colours. Of a part of a picture as it is nothing
sharp is known; the teacher's picture, with the low frequencies of the enlarged part, stands for it. Of a drawn graphic
the drawn truth is all there is to learn: teachers are wrong on graphics.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from srcli.geometry import Size
from srcli.resampling import enlarge
from srcli.training.data.everyday import Mix, Sample, sample
from srcli.training.data.photos import Photos, TrainingDataError, to_tensor
from srcli.training.data.places import Place
from srcli.training.data.prefetch import sent
from srcli.training.data.shown import Shown
from srcli.training.data.shown import to_bytes as shown
from srcli.training.data.teacher import Teacher
from srcli.training.inference import to_bytes

PHOTO, PICTURE, GRAPHIC, CLEAN = range(4)  # kinds of lessons; CLEAN: of a photo that was hardly degraded
KINDS = {"photo": PHOTO, "picture": PICTURE, "graphic": GRAPHIC}
LOW = 8.0  # standard deviation, in pixels, of the Gaussian that separates colours from detail
LOW_UNKNOWN = 24.0  # where the colours are those of the small picture, whose noise shows down to lower frequencies
GRID = 8  # networks fold pictures by 4: windows that begin elsewhere would teach them phases that never occur
FLAT = 3.0  # standard deviation in 8-bit steps below which a place is flat, for telling hardly degraded photos
HARDLY = 2.5  # mean error in 8-bit steps at flat places


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Squares of one size, uint8 (side, side, 3), and the kind. truth: the sharp picture, or the teacher's where none
    is known. enlarged: the small picture by bicubic interpolation."""

    truth: np.ndarray
    enlarged: np.ndarray
    taught: np.ndarray
    kind: int


class Lessons(Protocol):
    """Where lessons come from: a teacher that is asked now, or files.

    side: the least side of a lesson, in pixels.
    """

    side: int

    def __len__(self) -> int: ...

    def fingerprint(self) -> str: ...

    def lesson(self, rng: np.random.Generator) -> Lesson: ...


class TaughtPhotos:
    """Lessons of photos by a teacher that is asked for each of them.

    side: of a lesson; the teacher sees `margin` more on all sides.
    """

    def __init__(self, photos: Photos, teacher: Teacher, side: int, margin: int = 24, mix: Mix | None = None) -> None:
        self.photos, self.teacher, self.side, self.margin, self.mix = photos, teacher, side, margin, mix or Mix()

    def __len__(self) -> int:
        return len(self.photos)

    def fingerprint(self) -> str:
        return f"{self.photos.fingerprint()} taught by {self.teacher.digest[:16]}"

    def lesson(self, rng: np.random.Generator) -> Lesson:
        """The lesson that a generator's state draws."""
        seen = self.side + 2 * self.margin
        return self._cut(taught(self.teacher, sample(self.photos, rng, seen, self.mix)))

    def _cut(self, lesson: Lesson) -> Lesson:
        inner = np.s_[self.margin : self.margin + self.side, self.margin : self.margin + self.side]
        return Lesson(
            truth=lesson.truth[inner], enlarged=lesson.enlarged[inner], taught=lesson.taught[inner], kind=lesson.kind
        )


def taught(teacher: Teacher, drawn: Sample) -> Lesson:
    """The lesson of a drawn sample, at its full side."""
    side = round(len(drawn.small) * drawn.scale) if drawn.truth is None else len(drawn.truth)
    everywhere = torch.arange(side)
    enlarged = to_bytes(enlarge(to_tensor(drawn.small), everywhere, everywhere, Size(side, side))[None])
    kind = KINDS[drawn.kind]
    if kind == GRAPHIC:
        assert drawn.truth is not None, "graphics are drawn sharp"
        return Lesson(truth=drawn.truth, enlarged=enlarged, taught=drawn.truth, kind=kind)
    made = teacher(drawn.small, side)
    if drawn.truth is None:
        made = with_low_of(made, enlarged, LOW_UNKNOWN)
        return Lesson(truth=made, enlarged=enlarged, taught=made, kind=kind)
    if hardly_degraded(enlarged, drawn.truth):
        kind = CLEAN
    return Lesson(truth=drawn.truth, enlarged=enlarged, taught=with_low_of(made, drawn.truth, LOW), kind=kind)


def with_low_of(made: np.ndarray, other: np.ndarray, sigma: float) -> np.ndarray:
    """A picture with the low frequencies of another, both uint8 (H, W, 3)."""
    difference = other.astype(np.float32) - made
    low = cv2.GaussianBlur(difference, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.clip(np.rint(made + low), 0, 255).astype(np.uint8)


def hardly_degraded(enlarged: np.ndarray, truth: np.ndarray) -> bool:
    """Whether flat places of a photo came through: noise and JPEG show there, resampling does not."""
    grey = truth.astype(np.float32).mean(2)
    spread = np.sqrt(np.maximum(cv2.blur(grey**2, (7, 7)) - cv2.blur(grey, (7, 7)) ** 2, 0))
    flat = spread < FLAT
    if flat.mean() < 0.02:
        return False
    error = np.abs(enlarged.astype(np.float32) - truth).mean(2)
    return float(error[flat].mean()) < HARDLY


@dataclass(frozen=True, slots=True)
class LessonBatch:
    """truth, lr (the enlarged small picture) and taught: (B, 3, crop, crop) in [0, 1]. kind: (B,)."""

    truth: Tensor
    lr: Tensor
    taught: Tensor
    kind: Tensor

    def to(self, device: str) -> LessonBatch:
        return LessonBatch(*(sent(getattr(self, field.name), device) for field in fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonSpec:
    """How a batch is cut of lessons, in pixels of the sharp picture. side: of lessons that are made for the run."""

    batch: int = 8
    crop: int = 96
    side: int = 144

    def __post_init__(self) -> None:
        if self.crop % GRID or self.crop > self.side:
            raise TrainingDataError(f"crops of lessons are multiples of {GRID}, at most {self.side}, not {self.crop}")

    @property
    def preset(self) -> str:
        """Of the photos that a run is scored on."""
        return "moderate"

    @property
    def shortest(self) -> int:
        """Least side of a lesson."""
        return self.crop

    def draw(self, lessons: Lessons, seed: int, step: int) -> LessonBatch:
        """The batch of one step: windows that begin at multiples of `GRID`, turned at random."""
        rng = np.random.default_rng((seed, step))
        found = [self._window(lessons.lesson(rng), rng) for _ in range(self.batch)]
        return LessonBatch(
            torch.stack([to_tensor(lesson.truth) for lesson in found]),
            torch.stack([to_tensor(lesson.enlarged) for lesson in found]),
            torch.stack([to_tensor(lesson.taught) for lesson in found]),
            torch.tensor([lesson.kind for lesson in found]),
        )

    def show(self, lessons: Lessons, seed: int, step: int) -> list[Shown]:
        """The batch of one step, to look at: what is learned at detail 1, and what the network gets."""
        batch = self.draw(lessons, seed, step)
        names = {PHOTO: "photo", PICTURE: "picture as it is", GRAPHIC: "graphic", CLEAN: "photo, hardly degraded"}
        rows = zip(batch.taught, batch.lr, batch.kind, strict=True)
        return [
            Shown(shown(taught), shown(lr), f"{names[int(kind)]}, the teacher's picture") for taught, lr, kind in rows
        ]

    def place(self, rng: np.random.Generator, index: int, side: int) -> Place:
        """The window of a lesson of that side: it begins at a multiple of `GRID` and is turned at random."""
        y, x = (int(v) * GRID for v in rng.integers((side - self.crop) // GRID + 1, size=2))
        down, across = (bool(v) for v in rng.random(2) < 0.5)
        turned = bool(rng.random() < 0.5)
        return Place(index=index, side=self.crop, top=y, left=x, flipped=(down, across), turned=turned)

    def _window(self, lesson: Lesson, rng: np.random.Generator) -> Lesson:
        place = self.place(rng, 0, len(lesson.truth))
        return Lesson(
            truth=place.cut(lesson.truth),
            enlarged=place.cut(lesson.enlarged),
            taught=place.cut(lesson.taught),
            kind=lesson.kind,
        )
