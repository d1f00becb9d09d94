"""What people bring: photos and graphics with everyday degradations, and parts of pictures as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from srcli.degradation.everyday import Everyday, draw
from srcli.degradation.strengths import NAMES
from srcli.geometry import Size
from srcli.training.data.graphics import graphic
from srcli.training.data.photos import Photos, TrainingDataError

PHOTO, PICTURE, GRAPHIC = "photo", "picture", "graphic"
MOST = 8.0  # the largest scale
CLEAN_GRAPHICS = 0.4  # of graphics, before the shares of strengths count: files of graphics are often lossless


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What is drawn how often.

    graphics, pictures: shares of drawn pictures and of parts of pictures as they are; the rest are photos.
    scales: scales from 1 to 8 and their weights. any_scale: the weight of all scales between, each doubling as likely.
    clean, light, moderate, heavy: weights of the degradations' strengths.
    """

    graphics: float = 0.3
    pictures: float = 0.2
    scales: tuple[tuple[float, float], ...] = ((4, 0.5), (2, 0.18), (3, 0.12), (1, 0.08), (8, 0.02))
    any_scale: float = 0.1
    clean: float = 0.12
    light: float = 0.24
    moderate: float = 0.38
    heavy: float = 0.26

    def __post_init__(self) -> None:
        if min(self.graphics, self.pictures) < 0 or self.graphics + self.pictures > 1:
            raise ValueError(f"shares of graphics and pictures are 0 to 1 in all, not {self.graphics}, {self.pictures}")
        if not all(1 <= scale <= MOST for scale, _ in self.scales):
            raise ValueError(f"scales go from 1 to {MOST:g}, not {self.scales}")
        for weights in ([w for _, w in self.scales] + [self.any_scale], self.strengths()):
            if min(weights) < 0 or sum(weights) <= 0:
                raise ValueError(f"weights are 0 or more, and not all 0: {weights}")

    def strengths(self) -> tuple[float, ...]:
        """The weights of `srcli.degradation.strengths.NAMES`."""
        return self.clean, self.light, self.moderate, self.heavy

    def scale(self, rng: np.random.Generator) -> float:
        weights = np.array([weight for _, weight in self.scales] + [self.any_scale])
        chosen = int(rng.choice(len(weights), p=weights / weights.sum()))
        between = math.exp(rng.uniform(0, math.log(MOST)))
        return float(self.scales[chosen][0]) if chosen < len(self.scales) else between


@dataclass(frozen=True, slots=True)
class Sample:
    """A square as someone has it, and the picture that it was made from.

    kind: "photo", "graphic", or "picture", a part of a picture as it is, of which the truth is not known.
    truth: uint8 (side, side, 3); None for "picture".
    small: uint8 (n, n, 3), n = round(side / scale).
    scale: side / n, 1 to 8.
    """

    kind: str
    truth: np.ndarray | None
    small: np.ndarray
    scale: float


@dataclass(frozen=True, slots=True)
class Described:
    """A sample and in words what it shows and what happened to it."""

    sample: Sample
    words: str


def sample(photos: Photos, rng: np.random.Generator, side: int, mix: Mix = Mix()) -> Sample:
    """A sample of a mix. The same state of `rng` gives the same one.

    photos: of at least `side` pixels a side (`Photos(folder, shortest=side)`). side: pixels of the truth.
    Raises TrainingDataError where a photo is too small.
    """
    return described(photos, rng, side, mix).sample


def described(photos: Photos, rng: np.random.Generator, side: int, mix: Mix) -> Described:
    """`sample`, in words too."""
    chance, scale = rng.random(), mix.scale(rng)
    low = max(1, round(side / scale))
    scale = side / low
    if chance < mix.pictures:
        return Described(Sample(PICTURE, None, _square(photos, rng, low), scale), "picture as it is")
    drawn = chance < mix.pictures + mix.graphics
    truth, words = graphic(rng, side) if drawn else (_square(photos, rng, side), PHOTO)
    degradation = drawn_degradation(rng, scale, mix.strengths(), graphic=drawn)
    small = degradation(truth, Size(low, low))
    return Described(Sample(GRAPHIC if drawn else PHOTO, truth, small, scale), f"{words}, {degradation}")


def drawn_degradation(
    rng: np.random.Generator, scale: float, strengths: tuple[float, ...], *, graphic: bool
) -> Everyday:
    """A degradation of a strength drawn by weights, those of `Mix.strengths`."""
    shares = np.array(strengths) / sum(strengths)
    strength, seed = NAMES[rng.choice(len(NAMES), p=shares)], int(rng.integers(2**48))
    if graphic and rng.random() < CLEAN_GRAPHICS:
        strength = NAMES[0]
    return draw(strength, scale, seed, graphic=graphic)


def _square(photos: Photos, rng: np.random.Generator, side: int) -> np.ndarray:
    square = photos.crop(rng, side)
    if len(square) != side:
        raise TrainingDataError(f"a photo has less than {side} pixels a side")
    return square
