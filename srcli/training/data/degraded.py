"""Photos to pairs of a sharp crop and its degraded, enlarged version. A batch is a function of (seed, step) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srcli.degradation.bicubic import downscale
from srcli.degradation.presets import PRESETS
from srcli.degradation.synthetic import Degradation, draw
from srcli.geometry import Size
from srcli.resampling import enlarge
from srcli.training.data.everyday import drawn_degradation
from srcli.training.data.graphics import graphic
from srcli.training.data.photos import Lowered, Photos, TrainingDataError, to_tensor
from srcli.training.data.places import Place
from srcli.training.data.prefetch import sent
from srcli.training.data.shown import Shown, to_bytes

EVERYDAY = "everyday"


@dataclass(frozen=True, slots=True)
class DegradedBatch:
    """Sharp crops and the enlarged low-resolution ones, (B, 3, crop, crop) in [0, 1]; scale: (B,). quality, (B,): 1, or
    0 for a negative, whose `hr` is degraded too."""

    hr: Tensor
    lr: Tensor
    scale: Tensor
    quality: Tensor

    def to(self, device: str) -> DegradedBatch:
        return DegradedBatch(*(sent(v, device) for v in (self.hr, self.lr, self.scale, self.quality)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A pair by a preset, as it is drawn before anything is computed.

    place: the square of a photo.
    low: side of its small version.
    top, left: where the crop begins in the square.
    negative: how the sharp side is degraded, None for most.
    """

    place: Place
    low: int
    preset: str
    degradation: Degradation
    top: int
    left: int
    negative: Degradation | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A crop of a batch: `hr` and `lr`, (3, crop, crop), and in words what it shows and what happened to it."""

    hr: Tensor
    lr: Tensor
    scale: float
    quality: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradedSpec:
    """How a batch is cut and degraded. Sizes in pixels of the sharp photo.

    preset: light, moderate or heavy (`srcli.degradation.presets`), or `everyday`: degradations of
    `srcli.degradation.everyday`, moderate ones but for `clean_share`, `light_share` and `heavy_share`.
    graphics_share: share of drawn pictures instead of photos. clean_share: share that is made smaller alone. Both for
    `everyday`. grid: crops begin at multiples of so many pixels, for networks that fold; 0: anywhere.
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
    graphics_share: float = 0.0
    clean_share: float = 0.0
    grid: int = 0

    def __post_init__(self) -> None:
        known = (*PRESETS, EVERYDAY)
        if self.preset not in known:
            raise TrainingDataError(f"the preset of crops is {', '.join(known)}, not {self.preset!r}")
        everyday = self.preset == EVERYDAY and not self.degradation
        if not everyday and (self.graphics_share or self.clean_share):
            raise TrainingDataError("graphics_share and clean_share need the preset everyday and no other degradation")
        shares = (self.clean_share, self.light_share, self.heavy_share)
        if not 0 <= self.graphics_share <= 1 or min(shares) < 0 or (everyday and sum(shares) > 1):
            raise TrainingDataError(
                "graphics_share is 0 to 1, and so is the sum of clean_share, light_share and heavy_share"
            )

    @property
    def shortest(self) -> int:
        """Least side of a photo."""
        return self.crop + 2 * self.margin

    def draw(self, photos: Photos | Lowered, seed: int, step: int) -> DegradedBatch:
        """The batch of one step."""
        pairs = self._pairs(photos, seed, step)
        hr, lr = (torch.stack(side) for side in zip(*((p.hr, p.lr) for p in pairs), strict=True))
        return DegradedBatch(hr, lr, torch.tensor([p.scale for p in pairs]), torch.tensor([p.quality for p in pairs]))

    def show(self, photos: Photos | Lowered, seed: int, step: int) -> list[Shown]:
        """The batch of one step, to look at."""
        pairs = self._pairs(photos, seed, step)
        return [Shown(to_bytes(p.hr), to_bytes(p.lr), f"x{p.scale:.3g}: {p.words}") for p in pairs]

    def _pairs(self, photos: Photos | Lowered, seed: int, step: int) -> list[Pair]:
        rng = np.random.default_rng((seed, step))
        return [self._pair(photos, rng) for _ in range(self.batch)]

    def plan(self, photos: Photos, rng: np.random.Generator) -> Plan:
        """A pair by a preset."""
        place = photos.place(rng, photos.draw(rng), self.shortest)
        low = self._low(rng)
        preset = self._preset(rng.random())
        degradation = draw(preset, self.shortest / low, int(rng.integers(2**48)))
        top, left = self._begin(rng)
        return Plan(
            place=place,
            low=low,
            preset=preset,
            degradation=degradation,
            top=top,
            left=left,
            negative=self._negative(rng),
        )

    def _pair(self, photos: Photos | Lowered, rng: np.random.Generator) -> Pair:
        side = self.shortest
        if isinstance(photos, Photos) and self.preset != EVERYDAY:
            plan = self.plan(photos, rng)
            photo, words = photos.at(plan.place), f"photo, preset {plan.preset}"
            small = plan.degradation(photo, Size(plan.low, plan.low))
            y, x, negative = plan.top, plan.left, plan.negative
        else:
            photo, small, words = self._drawn(photos, rng) if isinstance(photos, Photos) else self._lowered(photos, rng)
            (y, x), negative = self._begin(rng), self._negative(rng)
        rows, cols = (torch.arange(start, start + self.crop) for start in (y, x))
        enlarged = enlarge(to_tensor(small), rows, cols, Size(side, side))
        if negative:
            photo = negative(photo, Size(side, side))
            words += ", a negative: its sharp side is degraded"
        target = photo[y : y + self.crop, x : x + self.crop]
        return Pair(to_tensor(target), enlarged, side / len(small), 0.0 if negative else 1.0, words)

    def _drawn(self, photos: Photos, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
        """A square of a photo or a graphic, an everyday version of it, and words."""
        side = self.shortest
        drawn = self.graphics_share > 0 and rng.random() < self.graphics_share
        truth, words = graphic(rng, side) if drawn else (photos.crop(rng, side), "photo")
        low = self._low(rng)
        shares = (self.clean_share, self.light_share, self.heavy_share)
        strengths = (*shares[:2], max(0.0, 1 - sum(shares)), shares[2])
        degradation = drawn_degradation(rng, side / low, strengths, graphic=drawn)
        return truth, degradation(truth, Size(low, low)), f"{words}, {degradation}"

    def _low(self, rng: np.random.Generator) -> int:
        """Side of a small version."""
        whole = rng.random() < self.whole_share
        scale = float(rng.choice(self.whole_scales)) if whole else float(rng.uniform(*self.scales))
        return max(1, round(self.shortest / scale))

    def _begin(self, rng: np.random.Generator) -> tuple[int, int]:
        """Where a crop begins in its square."""
        step = max(1, self.grid)
        y, x = (step * int(v) for v in rng.integers(2 * self.margin // step + 1, size=2))
        return y, x

    def _negative(self, rng: np.random.Generator) -> Degradation | None:
        if self.negative_share > 0 and rng.random() < self.negative_share:
            return draw("heavy", 1.0, int(rng.integers(2**48)))
        return None

    def _preset(self, chance: float) -> str:
        if chance < self.light_share:
            return "light"
        return "heavy" if chance >= 1 - self.heavy_share else self.preset

    def _lowered(self, photos: Lowered, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
        """The same by a generator or a camera, at one of its scales."""
        photo, lower, scale = photos.pair(rng, lambda _: self.shortest)
        low = max(1, round(self.shortest / scale))
        return photo, downscale(lower, low, low), f"photo, {self.degradation}"
