"""Crops at several levels of degradation, aligned to the pixel. A batch is a function of (seed, step) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srcli.degradation.levels import draw_camera
from srcli.training.data import Photos, TrainingDataError, to_tensor
from srcli.training.pairs import Pairs


@dataclass(frozen=True, slots=True)
class LevelBatch:
    """images: (levels, B, 3, crop, crop) in [0, 1], the sharp ones first."""

    images: Tensor

    def to(self, device: str) -> LevelBatch:
        return LevelBatch(self.images.to(device))


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """Which levels a batch shows. Of real scenes where there are some, else made of photos by a camera of each crop's
    own. Sizes in pixels; margin: what is degraded on all sides and cut off again, at random."""

    levels: tuple[int, ...] = (1, 2, 4)
    batch: int = 8
    crop: int = 128
    margin: int = 16

    def __post_init__(self) -> None:
        if self.levels[:1] != (1,) or list(self.levels) != sorted(set(self.levels)) or self.levels[-1] > 4:
            raise TrainingDataError(f"levels begin with 1 and grow to at most 4, not {list(self.levels)}")

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
        made = [self._real(photos, rng) if isinstance(photos, Pairs) else self._made(photos, rng)
                for _ in range(self.batch)]  # fmt: skip
        return LevelBatch(torch.stack(made, 1))

    def _real(self, pairs: Pairs, rng: np.random.Generator) -> Tensor:
        crops = pairs.crops(rng, self.crop)
        return torch.stack([to_tensor(crops[level]) for level in self.levels])

    def _made(self, photos: Photos, rng: np.random.Generator) -> Tensor:
        photo, camera = photos.crop(rng, self.shortest), draw_camera(rng)
        y, x = (int(v) for v in rng.integers(2 * self.margin + 1, size=2))
        inner = np.s_[y : y + self.crop, x : x + self.crop]
        return torch.stack([to_tensor(camera(photo, level)[inner]) for level in self.levels])
