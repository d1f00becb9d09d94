"""Crops at several levels of degradation, aligned to the pixel. A batch is a function of (seed, step) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srcli.degradation.bicubic import downscale
from srcli.degradation.levels import draw_camera
from srcli.training.data.pairs import Pairs
from srcli.training.data.photos import Photos, TrainingDataError, to_tensor
from srcli.training.data.prefetch import sent
from srcli.training.data.shown import Shown, to_bytes

SHRUNK_SHARE = 0.5  # of crops, where photos are made smaller


@dataclass(frozen=True, slots=True)
class LevelBatch:
    """images: (levels, B, 3, crop, crop) in [0, 1], the sharp ones first. scales: those of each, (levels, B)."""

    images: Tensor
    scales: Tensor

    def to(self, device: str) -> LevelBatch:
        return LevelBatch(sent(self.images, device), sent(self.scales, device))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSpec:
    """Which levels a batch shows. Of real scenes where there are some, else made of photos by a camera of each crop's
    own. Sizes in pixels; margin: what is degraded on all sides and cut off again, at random.

    shrink: half of the crops are made smaller by a factor up to this, with their levels, whose scales are then lower
    by as much: 1.5 and 3 instead of 2 and 4. It is all that is known of the scales in between. A photo of two thirds
    the size at the level 4 is about what a camera shows of the smaller one at 8/3, but for the grain of noise and JPEG.
    """

    levels: tuple[int, ...] = (1, 2, 4)
    batch: int = 8
    crop: int = 128
    margin: int = 16
    shrink: float = 1.0

    def __post_init__(self) -> None:
        if self.levels[:1] != (1,) or list(self.levels) != sorted(set(self.levels)) or self.levels[-1] > 4:
            raise TrainingDataError(f"levels begin with 1 and grow to at most 4, not {list(self.levels)}")
        if not 1 <= self.shrink < min(self.levels[1:], default=2):
            raise TrainingDataError(f"shrink is a factor from 1 to below the lowest level, not {self.shrink:g}")

    @property
    def preset(self) -> None:
        """The levels are no preset's."""

    @property
    def shortest(self) -> int:
        """Least side of a photo."""
        return self.crop + 2 * self.margin

    def draw(self, photos: Photos | Pairs, seed: int, step: int) -> LevelBatch:
        """The batch of one step."""
        rng = np.random.default_rng((seed, step))
        images, scales = zip(*(self._sample(photos, rng) for _ in range(self.batch)), strict=True)
        return LevelBatch(torch.stack(images, 1), torch.tensor(scales).T.contiguous())

    def show(self, photos: Photos | Pairs, seed: int, step: int) -> list[Shown]:
        """The batch of one step, to look at: the sharp crops and those of the last level."""
        batch = self.draw(photos, seed, step)
        each = zip(batch.images[0], batch.images[-1], batch.scales[-1].tolist(), strict=True)
        return [Shown(to_bytes(sharp), to_bytes(last), f"x{scale:.3g}: level, camera") for sharp, last, scale in each]

    def _sample(self, photos: Photos | Pairs, rng: np.random.Generator) -> tuple[Tensor, list[float]]:
        """A crop at every level, and the scale of each."""
        seen = self.shortest  # what is drawn for a crop, at the crop's own size
        side = seen
        if self.shrink > 1 and rng.random() < SHRUNK_SHARE:
            side = round(seen * float(rng.uniform(1, self.shrink)))
        if isinstance(photos, Pairs):
            found = photos.crops(rng, side)
            shown = [found[level] for level in self.levels]
        else:
            photo, camera = photos.crop(rng, side), draw_camera(rng)
            shown = [camera(photo, level) for level in self.levels]
        factor = len(shown[0]) / seen  # small photos have less to make smaller
        if factor > 1:
            shown = [downscale(image, seen, seen) for image in shown]
        y, x = (int(v) for v in rng.integers(2 * self.margin + 1, size=2))
        inner = np.s_[y : y + self.crop, x : x + self.crop]
        return torch.stack([to_tensor(image[inner]) for image in shown]), [max(1, n / factor) for n in self.levels]
