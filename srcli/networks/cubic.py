"""Bicubic enlargement at any positions of the output (Keys 1981, a = -0.5; align_corners=False)."""

from __future__ import annotations

import torch
from torch import Tensor

A = -0.5


def taps(positions: Tensor, low: int, high: int) -> tuple[Tensor, Tensor]:
    """Indices (4, n) of the pixels out of `low` and their weights (4, n, float32) at integer positions (n,) out of
    `high`, on the CPU: not every device has float64. Beyond the border the outermost pixel is repeated."""
    place = (positions.double() + 0.5) * (low / high) - 0.5
    first = place.floor()
    near = place - first
    distances = torch.stack([1 + near, near, 1 - near, 2 - near])
    inner = ((A + 2) * distances - (A + 3)) * distances.square() + 1
    outer = A * (((distances - 5) * distances + 8) * distances - 4)
    weights = torch.where(distances <= 1, inner, outer).float()
    index = first.long() + torch.arange(-1, 3)[:, None]
    return index.clamp_(0, low - 1), weights


def enlarge(image: Tensor, rows: Tensor, cols: Tensor, high: tuple[int, int]) -> Tensor:
    """The rows (n,) and columns (m,), on the CPU, of `image` (..., h, w) enlarged to `high`: (..., n, m) in float32."""
    h, w = image.shape[-2:]
    row_index, row_weight = taps(rows, h, high[0])
    col_index, col_weight = taps(cols, w, high[1])
    # Columns first, on the few low rows that are needed: gathering along rows of the result is slow.
    first, last = int(row_index.min()), int(row_index.max()) + 1
    to = image.device
    narrow = _mix(image[..., first:last, :].float(), col_index.to(to), col_weight.to(to), -1)
    return _mix(narrow, (row_index - first).to(to), row_weight.to(to), -2)


def whole(image: Tensor, high: tuple[int, int]) -> Tensor:
    """All of `image` (..., h, w) at the size `high`."""
    rows, cols = (torch.arange(n) for n in high)
    return enlarge(image, rows, cols, high)


def _mix(image: Tensor, index: Tensor, weights: Tensor, dim: int) -> Tensor:
    # One product and one sum at a time: fused operations round differently in vectors and in their tails.
    total: Tensor | None = None
    for places, weight in zip(index, weights, strict=True):
        part = image.index_select(dim, places) * (weight if dim == -1 else weight[:, None])
        total = part if total is None else total + part
    assert total is not None
    return total
