"""Where a local implicit function asks: the four low-resolution neighbours of every query point.

Coordinates are functions of the absolute output position, so any strip of an image asks exactly what the
whole image asks. One LR pixel is 2 units long in y and x, as in LIIF (Chen et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.resampling import LinearTaps, linear_taps


@dataclass(frozen=True, slots=True)
class Queries:
    """Neighbours of N = B * h * w query points in a batch of LR feature maps, corners in the order
    (top, left), (top, right), (bottom, left), (bottom, right): (N, 4), or (B, h, w, 2, 2) on a grid, where rows and
    columns are tables of their own that broadcast."""

    shape: tuple[int, int, int]  # B, h, w
    index: Tensor  # int64, flat position in B * H_lr * W_lr
    y: Tensor  # float32, query minus neighbour centre; broadcasts to the index
    x: Tensor
    weight: Tensor  # float32, sums to 1 over the corners
    cell: Tensor  # (B, 2) float32, size of an output pixel in the units of y and x, as (y, x)

    def to(self, device: str | torch.device) -> Queries:
        tensors = (self.index, self.y, self.x, self.weight, self.cell)
        return Queries(self.shape, *(t.to(device) for t in tensors))


def patch_centres(first: int, last: int, patch: int) -> Tensor:
    """Output index of the centre pixel of the patches first..last-1 along an axis."""
    return torch.arange(first, last) * patch + (patch - 1) / 2


def grid_queries(
    rows: list[LinearTaps], cols: list[LinearTaps], low: tuple[int, int], image: list[int] | None = None
) -> Queries:
    """Queries on B windows, each the product of a row and a column axis, on LR maps of size `low`. The cell is on the
    CPU; all else is where the taps are.

    `image` names the batch item that each window looks at; by default window i looks at item i.
    """
    count, h, w = len(rows), rows[0].index.shape[1], cols[0].index.shape[1]
    row = along([r.index for r in rows], "y") * low[1]
    if count > 1 or image:
        base = torch.tensor(image if image is not None else range(count)) * (low[0] * low[1])
        row += base.view(-1, 1, 1, 1, 1).to(row.device)
    index = row + along([c.index for c in cols], "x")
    y, x = along([r.relative for r in rows], "y"), along([c.relative for c in cols], "x")
    weight = along([r.weight for r in rows], "y") * along([c.weight for c in cols], "x")
    cell = torch.tensor([[r.cell, c.cell] for r, c in zip(rows, cols, strict=True)])
    return Queries((count, h, w), index, y, x, weight, cell)


def along(pairs: list[Tensor], direction: str) -> Tensor:
    """(B, 2, n) stencils as (B, h, 1, 2, 1) for rows or (B, 1, w, 1, 2) for columns."""
    stacked = torch.stack(pairs).transpose(1, 2)
    return stacked[:, :, None, :, None] if direction == "y" else stacked[:, None, :, None, :]


def window_queries(
    windows: Sequence[tuple[int, int, int]], side: int, patch: int, photos: Sequence[Tensor], low: tuple[int, int]
) -> Queries:
    """Queries of the patches in windows (item, top, left) of `side` pixels of `photos`, (3, n, n) each, on LR maps."""
    middle = (patch - 1) // 2
    rows, cols = [], []
    for item, top, left in windows:
        size = photos[item].shape[-1]
        rows.append(linear_taps(torch.arange(top + middle, top + side, patch), low[0], size))
        cols.append(linear_taps(torch.arange(left + middle, left + side, patch), low[1], size))
    return grid_queries(rows, cols, low, [item for item, _, _ in windows])


# --- the official definition, for published checkpoints only ---------------------------------------------


def official_coordinates(size: float, count: int | None = None) -> Tensor:
    """LIIF pixel centres in [-1, 1], with the official float32 order of operations: one multiply, one add. count: only
    the first ones."""
    step, start = torch.tensor(2 / size), torch.tensor(-1 + 1 / size)
    return step * torch.arange(int(size) if count is None else count).float() + start


def official_queries(coord: Tensor, cell: Tensor, low: tuple[int, int]) -> Queries:
    """Queries as LIIF and LINF compute them: corners shifted by one LR half pixel plus 1e-6, clamped, nearest.

    coord: (B, h, w, 2) as (y, x) in [-1, 1]; cell: (B, 2). The plus sign of the 1e-6 on every corner decides
    ties, and weights are areas of the opposite corners plus 1e-9, so the float32 operations are kept in order.
    """
    count, h, w, _ = coord.shape
    sizes = torch.tensor(low, dtype=torch.float32)
    indices, relatives, areas = [], [], []
    for sign_y in (-1, 1):
        for sign_x in (-1, 1):
            shift = torch.tensor([sign_y / low[0] + 1e-6, sign_x / low[1] + 1e-6])
            moved = (coord + shift).clamp(-1 + 1e-6, 1 - 1e-6)
            near = (((moved + 1) * sizes - 1) / 2).round().long()
            near = torch.minimum(near.clamp_min(0), torch.tensor(low) - 1)
            centre = torch.stack(
                [official_coordinates(low[0])[near[..., 0]], official_coordinates(low[1])[near[..., 1]]], dim=-1
            )
            relative = (coord - centre) * sizes
            indices.append(near[..., 0] * low[1] + near[..., 1])
            relatives.append(relative)
            areas.append((relative[..., 0] * relative[..., 1]).abs() + 1e-9)
    total = torch.stack(areas).sum(0)
    weight = torch.stack([areas[3], areas[2], areas[1], areas[0]], dim=-1) / total[..., None]
    base = torch.arange(count).view(-1, 1, 1, 1) * (low[0] * low[1])
    relative = torch.stack(relatives, dim=-2).reshape(-1, 4, 2)
    return Queries(
        (count, h, w),
        (base + torch.stack(indices, dim=-1)).reshape(-1, 4),
        relative[..., 0].contiguous(),
        relative[..., 1].contiguous(),
        weight.reshape(-1, 4),
        cell * sizes,
    )
