"""Bilinear resizing of any rectangle of the output, from absolute positions (align_corners=False)."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Four-tap filter along one axis: for each of n low pixels, two high neighbours with two low neighbours each."""

    down_weight: Tensor  # (2, n)
    up: tuple[Axis, Axis]


def round_trip(pixels: Tensor, low: int, high: int) -> RoundTrip:
    """Bilinear from `low` to `high` pixels and back, at the low pixel indices `pixels` (n,)."""
    down = axis(pixels, high, low)
    return RoundTrip(down.weight, (axis(down.index[0], low, high), axis(down.index[1], low, high)))


def down_up(low: Tensor, rows: RoundTrip, cols: RoundTrip) -> Tensor:
    """What is left of an image (..., h, w) after bilinear upsampling and back down, at some of its pixels.

    Both steps are linear and local, so their product is a 4-tap filter at LR size: bilinear(x - down_up(x)) is
    LINF-LP's `gt_lr_up` without ever making the large image.
    """
    first = int(min(up.index.min() for up in rows.up))
    last = int(max(up.index.max() for up in rows.up)) + 1
    low = _there_and_back(low[..., first:last, :], cols, -1, 0)
    return _there_and_back(low, rows, -2, first)


def _there_and_back(low: Tensor, trip: RoundTrip, dim: int, origin: int) -> Tensor:
    weights = trip.down_weight.to(low)
    taps = [lerp(low, up.shifted(origin).to(low.device), dim) for up in trip.up]
    first, second = (w if dim == -1 else w[:, None] for w in weights)
    return taps[0] * first + taps[1] * second
