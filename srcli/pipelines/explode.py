"""Exploding inverses: places of a picture where decoding a latent blew up (Tsao et al. 2024, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.errors import SrcliError

PATCH = 32  # side of what is judged and repaired at once, in pixels of the network's own scale
# Nine of ten patches of srflow-s at heat 1 stay below 0.8, 0.1 and 0.02; at heat 2 half exceed 7, 1 and 0.2.
RANGE = 1.0  # largest distance from grey, 0.5: half of the range of the picture beyond black and beyond white
NOISE = 0.25  # root mean square, over a patch, of what the flow adds to the upsampling
DRIFT = 0.1  # the same of its means over the areas of LR pixels


class Exploded(SrcliError):
    """A picture with an exploded inverse that should not be repaired."""


def exploded(picture: Tensor, upsampling: Tensor, scale: int) -> Tensor:
    """Which patches of a picture (1, 3, H, W) blew up: (rows, columns), true where a value is not finite or far out of
    range, or where the picture has nothing to do with its upsampling any more."""
    added = picture - upsampling
    # Written so that comparisons with NaN come out as exploded.
    wild = ~((picture - 0.5).abs() <= RANGE)
    drift = _power(F.avg_pool2d(added, scale), PATCH // scale)
    return _any(wild, PATCH) | ~(drift <= DRIFT**2) | ~(_power(added, PATCH) <= NOISE**2)


def as_pixels(patches: Tensor, height: int, width: int) -> Tensor:
    """Patches (rows, columns) as a mask (height, width) of pixels."""
    rows, cols = (torch.arange(n, device=patches.device) // PATCH for n in (height, width))
    return patches[rows][:, cols]


def _any(mask: Tensor, side: int) -> Tensor:
    return F.max_pool2d(mask.float().amax(1, keepdim=True), side, ceil_mode=True)[0, 0] > 0


def _power(values: Tensor, side: int) -> Tensor:
    """Mean square over channels and squares of that side."""
    squares = values.square().mean(1, keepdim=True)
    return F.avg_pool2d(squares, side, ceil_mode=True, count_include_pad=False)[0, 0]
