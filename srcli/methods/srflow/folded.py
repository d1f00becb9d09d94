"""The layers of `glow` with their norms folded into convolutions: the same values in fewer passes over the maps.

This is what runs. Maps are (B, C, h, w) in float32; the networks that say how to move may run in bfloat16 under
autocast. The features' part of all first convolutions of a level is one convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.flows import normalizing
from srcli.flows.normalizing import affine, affine_log_det, inverse_affine, standardise, unstandardise

Kernel = tuple[Tensor, Tensor]  # weight and bias of a convolution


@dataclass(frozen=True, slots=True)
class Bounds:
    """What keeps the inverse from exploding. least: scales by the features, and by the flow's own values, do not fall
    below; an inverse stretches by at most their reciprocals, and the second feeds on itself. reach: networks see the
    flow's own values bent to within it (0: as they are). The defaults are the official definition."""

    least: tuple[float, float] = (1e-4, 1e-4)
    reach: float = 0.0

    def bend(self, z: Tensor) -> Tensor:
        """z where it is small, +-reach where it is large."""
        return normalizing.bend(z, self.reach) if self.reach else z


OFFICIAL = Bounds()


@dataclass(frozen=True, slots=True)
class FoldedNet:
    """A coupling network. Of its first convolution, what sees the features is applied by the level, for all steps at
    once; `own` sees the first half of the channels."""

    first: Kernel
    own: Tensor | None
    middle: Kernel
    last: Kernel
    slope: float
    bounds: Bounds

    def __call__(self, hidden: Tensor, z: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Shift and scale in float32. hidden: the features' part of the first activations."""
        if self.own is not None and z is not None:
            hidden = hidden + F.conv2d(self.bounds.bend(z), self.own, padding=1)
        h = F.conv2d(F.leaky_relu(hidden, self.slope), *self.middle)
        pairs = F.conv2d(F.leaky_relu(h, self.slope), *self.last, padding=1)
        shift, logit = pairs.float().chunk(2, 1)
        # Not torch.sigmoid: the ends of its vector loops round differently, and tiles would differ from the whole.
        return shift, (-2 - logit).exp().add(1).reciprocal().add(self.bounds.least[self.own is not None])


@dataclass(frozen=True, slots=True)
class FoldedStep:
    linear: Kernel
    inverse: Kernel | None
    log_det: Tensor  # of norm and 1x1 convolution, per position
    feature: FoldedNet | None
    own: FoldedNet | None

    def encode(self, z: Tensor, hidden: list[Tensor]) -> tuple[Tensor, Tensor]:
        """z and the log-determinant (B,)."""
        with torch.autocast(z.device.type, enabled=False):
            z = F.conv2d(z, *self.linear)
        log_det = self.log_det * (z.shape[2] * z.shape[3])
        if self.feature is None or self.own is None:
            return z, log_det.expand(len(z))
        shift, scale = self.feature(hidden[0])
        z1, z2 = halves(affine(z, shift, scale))
        shift, own = self.own(hidden[1], z1)
        log_det = log_det + affine_log_det(scale) + affine_log_det(own)
        return torch.cat([z1, affine(z2, shift, own)], 1), log_det

    def decode(self, z: Tensor, hidden: list[Tensor]) -> Tensor:
        assert self.inverse is not None
        if self.feature is not None and self.own is not None:
            z1, z2 = halves(z)
            z = torch.cat([z1, inverse_affine(z2, *self.own(hidden[1], z1))], 1)
            z = inverse_affine(z, *self.feature(hidden[0]))
        weight, bias = self.inverse
        with torch.autocast(z.device.type, enabled=False):
            return F.conv2d(z, weight, bias)


@dataclass(frozen=True, slots=True)
class FoldedSplit:
    kernel: Kernel
    bounds: Bounds

    def _gaussian(self, z1: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log of the deviation."""
        with torch.autocast(z1.device.type, enabled=False):
            mean, logs = F.conv2d(self.bounds.bend(z1), *self.kernel, padding=1).chunk(2, 1)
        return mean, logs

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What stays, what leaves as a latent, and its log-probability (B,)."""
        z1, z2 = halves(z)
        return z1, *standardise(z2, *self._gaussian(z1))

    def decode(self, z1: Tensor, eps: Tensor) -> Tensor:
        return torch.cat([z1, unstandardise(eps, *self._gaussian(z1))], 1)


@dataclass(frozen=True, slots=True)
class Level:
    """The steps at one resolution, finest first in the list of levels, and the split after them."""

    steps: list[FoldedStep]
    split: FoldedSplit | None

    @property
    def narrowest(self) -> int:
        """Fewest channels that a convolution of it is given."""
        return min(c for s in self.steps if s.own for c in (s.own.middle[0].shape[0], s.linear[1].shape[0] // 2))

    def hidden(self, features: Tensor) -> list[list[Tensor]]:
        """For each step, what the features give to its two networks: one convolution for all."""
        nets = [net for step in self.steps for net in (step.feature, step.own) if net is not None]
        if not nets:
            return [[] for _ in self.steps]
        weight = torch.cat([net.first[0] for net in nets])
        bias = torch.cat([net.first[1] for net in nets])
        parts = iter(F.conv2d(features, weight, bias, padding=1).chunk(len(nets), 1))
        return [[next(parts), next(parts)] if step.feature else [] for step in self.steps]

    def encode(self, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """From the finer level's map (B, C, 2h, 2w): what stays, what leaves, log-determinant (B,)."""
        z, log_det, eps = F.pixel_unshuffle(z, 2), z.new_zeros(len(z)), None
        for step, hidden in zip(self.steps, self.hidden(features), strict=True):
            z, more = step.encode(z, hidden)
            log_det = log_det + more
        if self.split is not None:
            z, eps, more = self.split.encode(z)
            log_det = log_det + more
        return z, eps, log_det

    def decode(self, z: Tensor, eps: Tensor | None, features: Tensor) -> Tensor:
        """The inverse of `encode`, to (B, C, 2h, 2w)."""
        if self.split is not None:
            assert eps is not None
            z = self.split.decode(z, eps)
        for step, hidden in zip(reversed(self.steps), reversed(self.hidden(features)), strict=True):
            z = step.decode(z, hidden)
        return F.pixel_shuffle(z, 2)


def halves(z: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the second half of the channels (B, C, h, w); the second one has more where C is odd."""
    half = z.shape[1] // 2
    return z[:, :half], z[:, half:]
