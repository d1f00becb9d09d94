"""Low-resolution pictures of photos by the camera of `srcli.degradation.levels`, drawn anew for every crop.

At a few scales they are what a person has who photographs scenes through several lenses, which is what generated
pictures of all scales are to be better than; at a range of scales, what a perfect generator would make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from srcli.degradation.levels import draw_camera
from srcli.training.data.photos import Photos, TrainingDataError

MARGIN = 16  # pixels around a square that are degraded too, so that filters end outside of it
TRIES = 8  # scales that are drawn to find one whose square fits into a photo


@dataclass(frozen=True, slots=True)
class Scales:
    """A few scales, or all from the first to the second of two."""

    values: tuple[float, ...]
    continuous: bool = False

    @classmethod
    def parse(cls, text: str) -> Scales:
        """`2,4`, or `1.1-4` for a range. Raises TrainingDataError."""
        continuous = "-" in text
        try:
            values = tuple(float(part) for part in text.split("-" if continuous else ","))
        except ValueError:
            values = ()
        if not values or list(values) != sorted(set(values)) or not 1 <= values[0] <= values[-1] <= 4:
            values = ()
        if not values or (continuous and len(values) != 2):
            raise TrainingDataError(f"levels are growing scales from 1 to 4, 2,4, or a range, 1.1-4, not {text!r}")
        return cls(values, continuous)

    def draw(self, rng: np.random.Generator) -> float:
        low, high = self.values[0], self.values[-1]
        return float(rng.uniform(low, high) if self.continuous else rng.choice(self.values))


class Cameras:
    """Photos whose low-resolution versions are made when they are drawn. scales: as `Scales.parse` reads them."""

    def __init__(self, photos: Photos, scales: str) -> None:
        self.photos, self.scales, self.told = photos, Scales.parse(scales), scales
        self.held = photos.held

    def __len__(self) -> int:
        return len(self.photos)

    def fingerprint(self) -> str:
        """That of the photos, and the scales."""
        return f"{self.photos.fingerprint()} levels {self.told}"

    def pair(self, rng: np.random.Generator, side: Callable[[float], int]) -> tuple[np.ndarray, np.ndarray, float]:
        """A random square of a photo and the same by a camera, uint8 (n, n, 3), and the scale. side: pixels of the
        square at a scale, cut to the photo."""
        index = self.photos.draw(rng)
        shortest = min(self.photos.images[index].shape[:2])
        drawn = [self.scales.draw(rng) for _ in range(TRIES)]
        scale = next((s for s in drawn if side(s) <= shortest), self.scales.values[0])
        length = min(side(scale), shortest)
        whole = self.photos.cut(rng, index, length + 2 * MARGIN)
        lower = draw_camera(rng)(whole, scale)
        y, x = (int(v) for v in rng.integers(len(whole) - length + 1, size=2))
        inner = np.s_[y : y + length, x : x + length]
        return whole[inner], lower[inner], scale
