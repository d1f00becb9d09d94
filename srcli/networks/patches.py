"""Convert pictures to grids of patches and to rows of patches, and back."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def to_patches(image: Tensor, patch: int) -> Tensor:
    """(B, C, h*p, w*p) image as (B, C*p*p, h, w), channel index c * p^2 + dy * p + dx."""
    return F.pixel_unshuffle(image, patch)


def from_patches(patches: Tensor, patch: int) -> Tensor:
    """Inverse of `to_patches`."""
    return F.pixel_shuffle(patches, patch)


def rows(patches: Tensor) -> Tensor:
    """(B, D, h, w) as (B * h * w, D), the order of queries."""
    return patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1])


def grid(values: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Inverse of `rows` for the shape (B, h, w)."""
    return values.view(*shape, -1).permute(0, 3, 1, 2)
