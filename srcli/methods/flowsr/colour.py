"""Colour fixes: an output takes the low frequencies, or the mean and spread, of the picture that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = 5
WAVELET_RADIUS = 2**LEVELS - 1  # pixels: 1 + 2 + 4 + 8 + 16
FIXES = ("none", "wavelet", "adain")


@dataclass(frozen=True, slots=True)
class Tint:
    """A gain and an offset of each channel, (1, 3, 1, 1)."""

    gain: Tensor
    offset: Tensor

    def __call__(self, image: Tensor) -> Tensor:
        return image * self.gain + self.offset


def tint(image: Tensor, reference: Tensor) -> Tint:
    """AdaIN (Huang and Belongie 2017): takes `image` to mean and standard deviation of `reference`, by channel; the
    variances are unbiased and raised by 1e-5."""

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(2)
        spread = (flat.var(2, correction=min(1, flat.shape[2] - 1)) + 1e-5).sqrt()
        return flat.mean(2)[..., None, None], spread[..., None, None]

    return _tint(*moments(image), *moments(reference))


def _tint(mean: Tensor, spread: Tensor, wanted: Tensor, wide: Tensor) -> Tint:
    gain = wide / spread
    return Tint(gain, wanted - mean * gain)


class Moments:
    """Mean and standard deviation of a picture by channel, from its parts, for `tint` where it is never there as a
    whole."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(1, 3), torch.zeros(1, 3)

    def add(self, part: Tensor) -> None:
        """Takes in (1, 3, h, w). The sums are kept on the CPU: not every device has float64."""
        flat = part.flatten(2).cpu().double()
        self.count += flat.shape[2]
        self.total = self.total + flat.sum(2)
        self.squares = self.squares + flat.square().sum(2)

    def tint(self, reference: Moments, device: torch.device) -> Tint:
        """As `tint` of the whole pictures."""
        found = _tint(*self._moments(), *reference._moments())
        return Tint(found.gain.float().to(device), found.offset.float().to(device))

    def _moments(self) -> tuple[Tensor, Tensor]:
        mean = self.total / self.count
        variance = (self.squares - self.count * mean.square()).clamp_min(0) / max(1, self.count - 1)
        return mean[..., None, None], (variance + 1e-5).sqrt()[..., None, None]


def wavelet(image: Tensor, reference: Tensor) -> Tensor:
    """The image with the low frequencies of the reference, (1, 3, H, W) both: five levels of a-trous blur."""
    return image - low(image) + low(reference)


def low(image: Tensor) -> Tensor:
    """Blurred by [1 2 1] / 4 along both axes at distances 1, 2, 4, 8 and 16; the border is repeated."""
    for level in range(LEVELS):
        image = _blur(_blur(image, 2**level, -1), 2**level, -2)
    return image


def _blur(image: Tensor, distance: int, dim: int) -> Tensor:
    # Sums of shifted pictures, in the same order everywhere: tiles equal the whole.
    length = image.shape[dim]
    along = torch.arange(-distance, length + distance, device=image.device).clamp_(0, length - 1)
    padded = image.index_select(dim, along)
    sides = padded.narrow(dim, 0, length) + padded.narrow(dim, 2 * distance, length)
    return sides * 0.25 + image * 0.5
