"""Exploding inverses: places of a picture where decoding a latent blew up (Tsao et al. 2024, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.errors import SrcliError

PATCH = 32  # side of what is judged and repaired at once, in pixels of the network's own scale
# Photos have 0.5, up to 0.28 at x4 (above a bilinear upsampling, in text) and up to 0.07; samples of srflow-s at
# temperature 2 mostly more than 7, 1 and 0.2.
RANGE = 2.0  # largest distance of a value from grey, 0.5
NOISE = 0.3  # root mean square, over a patch, of what the flow adds to the upsampling
DRIFT = 0.1  # the same, of how much farther LR pixels are from the means of their areas than in the upsampling


class Exploded(SrcliError):
    """A picture with an exploded inverse that should not be repaired."""

    reason = "exploded"


def exploded(picture: Tensor, upsampling: Tensor, lr: Tensor) -> Tensor:
    """LINF-LP, Tsao et al. 2024, section 3.2, exploding inverse: which patches of a picture blew up, judged as we do.

    True where a value is not finite or far out of range, or where the picture has nothing to do with its upsampling or
    with the small picture any more. picture, upsampling: (1, 3, H, W). lr: (1, 3, h, w). Returns (rows, columns).
    """
    scale = picture.shape[-1] // lr.shape[-1]
    drift, least = (_power(F.avg_pool2d(image, scale) - lr, PATCH // scale) for image in (picture, upsampling))
    # Written so that comparisons with NaN come out as exploded.
    wild = F.max_pool2d((~((picture - 0.5).abs() <= RANGE)).float().amax(1, keepdim=True), PATCH, ceil_mode=True)[0, 0]
    return (wild > 0) | ~(drift - least <= DRIFT**2) | ~(_power(picture - upsampling, PATCH) <= NOISE**2)


def as_pixels(patches: Tensor, height: int, width: int) -> Tensor:
    """Patches (rows, columns) as a mask (height, width) of pixels."""
    rows, cols = (torch.arange(n, device=patches.device) // PATCH for n in (height, width))
    return patches[rows][:, cols]


def _power(values: Tensor, side: int) -> Tensor:
    """Mean square over channels and squares of that side."""
    squares = values.square().mean(1, keepdim=True)
    return F.avg_pool2d(squares, side, ceil_mode=True, count_include_pad=False)[0, 0]
