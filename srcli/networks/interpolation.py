"""Bilinear resizing of any rectangle of the output, from absolute positions (align_corners=False)."""

from __future__ import annotations

import torch
from torch import Tensor

from srcli.networks.queries import Axis, axis


def interpolate(image: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Bilinear samples (..., n_rows, n_cols) of `image` (..., H, W) at a row and a column stencil."""
    # Columns first, on the few low rows that are needed: gathering along rows of the result is slow.
    first, last = int(rows.index[0, 0]), int(rows.index[1, -1]) + 1
    return lerp(lerp(image[..., first:last, :], cols, -1), rows.shifted(first), -2)


def lerp(image: Tensor, stencil: Axis, dim: int) -> Tensor:
    """Linear interpolation along one dimension."""
    first = image.index_select(dim, stencil.index[0])
    second = image.index_select(dim, stencil.index[1])
    fraction = stencil.weight[1].to(image.dtype)
    # Not torch.lerp, whose vector and scalar loops round differently.
    return first + (second - first) * (fraction if dim == -1 else fraction[:, None])


def down_up(low: Tensor, height: int, width: int | None = None) -> Tensor:
    """What is left of an image (..., h, w) after bilinear upsampling to (height, width) and back down.

    Both steps are linear and local, so their product is a 4-tap filter at LR size: bilinear(x - down_up(x)) is
    LINF-LP's `gt_lr_up` without ever making the large image.
    """
    for dim, high in ((-2, height), (-1, height if width is None else width)):
        size = low.shape[dim]
        down = axis(torch.arange(size), high, size)
        total = torch.zeros_like(low)
        for tap in range(2):
            up = axis(down.index[tap].clamp(0, high - 1), size, high)
            weight = down.weight[tap].to(low.dtype)
            total = total + lerp(low, up, dim) * (weight if dim == -1 else weight[:, None])
        low = total
    return low
