"""Bilinear resizing of any rectangle of the output, from absolute positions (align_corners=False)."""

from __future__ import annotations

from torch import Tensor

from srcli.networks.queries import Axis


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
