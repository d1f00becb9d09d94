"""Exploding inverses: places of a picture where decoding a latent blew up (Tsao et al. 2024, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.errors import SrcliError

PATCH = 32  # side of what is judged and repaired at once, in pixels of the network's own scale
RANGE = 1.5  # largest distance from grey, 0.5: a whole range of the picture beyond black and beyond white
DRIFT = 0.25  # largest difference between the means of an LR pixel's area in the picture and in the upsampling
NOISE = 0.3  # largest root mean square, over a patch, of what the flow adds to the upsampling


class Exploded(SrcliError):
    """A picture with an exploded inverse that should not be repaired."""


def exploded(picture: Tensor, upsampling: Tensor, scale: int) -> Tensor:
    """Which patches of a picture (1, 3, H, W) blew up: (rows, columns), true where a value is not finite or far out of
    range, or where the picture has nothing to do with its upsampling any more."""
    added = picture - upsampling
    # Written so that comparisons with NaN come out as exploded.
    wild = ~((picture - 0.5).abs() <= RANGE)
    drifted = ~(F.avg_pool2d(added, scale).abs() <= DRIFT)
    power = F.avg_pool2d(added.square().mean(1, keepdim=True), PATCH, ceil_mode=True, count_include_pad=False)
    return _any(wild, PATCH) | _any(drifted, PATCH // scale) | ~(power[0, 0] <= NOISE**2)


def as_pixels(patches: Tensor, height: int, width: int) -> Tensor:
    """Patches (rows, columns) as a mask (height, width) of pixels."""
    rows, cols = (torch.arange(n, device=patches.device) // PATCH for n in (height, width))
    return patches[rows][:, cols]


def _any(mask: Tensor, side: int) -> Tensor:
    return F.max_pool2d(mask.float().amax(1, keepdim=True), side, ceil_mode=True)[0, 0] > 0
