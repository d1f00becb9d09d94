"""Photos to pairs of a sharp crop and its degraded, enlarged version. A batch is a function of (seed, step) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srcli.degradation.bicubic import downscale
from srcli.degradation.synthetic import draw
from srcli.geometry import Size
from srcli.resampling import enlarge
from srcli.training.data.photos import Lowered, Photos, to_tensor


@dataclass(frozen=True, slots=True)
class DegradedBatch:
    """Sharp crops and the enlarged low-resolution ones, (B, 3, crop, crop) in [0, 1]; scale: (B,). quality, (B,): 1, or
    0 for a negative, whose `hr` is degraded too."""

    hr: Tensor
    lr: Tensor
    scale: Tensor
    quality: Tensor

    def to(self, device: str) -> DegradedBatch:
        return DegradedBatch(*(v.to(device) for v in (self.hr, self.lr, self.scale, self.quality)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradedSpec:
    """How a batch is cut and degraded. Sizes in pixels of the sharp photo.

    margin: what is degraded on all sides and cut off again, at random: borders of filters stay outside, and the blocks
    of JPEG begin anywhere, as in pictures that were cut. negative_share: share of crops whose sharp side is degraded by
    the heavy preset, at its own size: what guidance leads away from. degradation: `degflow` for the scales and pictures
    of a generator (see `generated`) or `levels` for those of a camera (see `cameras`, its scales in `camera_scales`)
    instead of the preset's; empty for the preset.
    """

    preset: str = "moderate"
    light_share: float = 0.15  # share of crops with the light preset instead
    heavy_share: float = 0.0  # and with the heavy one
    batch: int = 8
    crop: int = 144
    margin: int = 16
    scales: tuple[float, float] = (1.0, 4.0)
    whole_share: float = 0.8  # share of crops at one of `whole_scales`
    whole_scales: tuple[int, ...] = (4, 4, 4, 4, 2, 2, 3, 1)
    negative_share: float = 0.0
    degradation: str = ""
    camera_scales: str = ""

    @property
    def shortest(self) -> int:
        """Least side of a photo."""
        return self.crop + 2 * self.margin

    def draw(self, photos: Photos | Lowered, seed: int, step: int) -> DegradedBatch:
        """The batch of one step."""
        rng = np.random.default_rng((seed, step))
        pairs = [self._pair(photos, rng) for _ in range(self.batch)]
        hr, lr, scale, quality = zip(*pairs, strict=True)
        return DegradedBatch(torch.stack(hr), torch.stack(lr), torch.tensor(scale), torch.tensor(quality))

    def _pair(self, photos: Photos | Lowered, rng: np.random.Generator) -> tuple[Tensor, Tensor, float, float]:
        side = self.shortest
        photo, small = self._drawn(photos, rng) if isinstance(photos, Photos) else self._lowered(photos, rng)
        low = len(small)
        y, x = (int(v) for v in rng.integers(2 * self.margin + 1, size=2))
        rows, cols = (torch.arange(start, start + self.crop) for start in (y, x))
        enlarged = enlarge(to_tensor(small), rows, cols, Size(side, side))
        negative = self.negative_share > 0 and rng.random() < self.negative_share
        if negative:
            photo = draw("heavy", 1.0, int(rng.integers(2**48)))(photo, Size(side, side))
        target = photo[y : y + self.crop, x : x + self.crop]
        return to_tensor(target), enlarged, side / low, 0.0 if negative else 1.0

    def _drawn(self, photos: Photos, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A square of a photo and its low-resolution version by a preset."""
        side = self.shortest
        photo = photos.crop(rng, side)
        whole = rng.random() < self.whole_share
        scale = float(rng.choice(self.whole_scales)) if whole else float(rng.uniform(*self.scales))
        low = max(1, round(side / scale))
        return photo, draw(self._preset(rng.random()), side / low, int(rng.integers(2**48)))(photo, Size(low, low))

    def _preset(self, chance: float) -> str:
        if chance < self.light_share:
            return "light"
        return "heavy" if chance >= 1 - self.heavy_share else self.preset

    def _lowered(self, photos: Lowered, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The same by a generator or a camera, at one of its scales."""
        photo, lower, scale = photos.pair(rng, lambda _: self.shortest)
        low = max(1, round(self.shortest / scale))
        return photo, downscale(lower, low, low)
