"""Overlapping tiles of latents, for networks that look at all they are given: blended, close to the whole, not equal.

The published way is here for parity. Its Gaussian weights fall to 2e-11 in the corners of a picture, where they are
divided by no less than 1e-6: the corners keep next to nothing of the velocity. Its tiles are square, so that a narrow
picture is cut into many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.geometry import Size, Window

SIDE = 96  # latent pixels; a picture of no more than SIDE x SIDE is one tile
OVERLAP = 32
LEAST = 1e-6  # sum of weights
FLOOR = 0.01  # least weight along an axis


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles of one size at absolute positions that cover a rectangle, and the weights along their sides."""

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    down: Tensor  # (tile height,)
    across: Tensor  # (tile width,)

    def windows(self, touching: Window) -> Iterator[Window]:
        """The tiles that share pixels with a window, row by row."""
        height, width = len(self.down), len(self.across)
        for top in self.rows:
            for left in self.cols:
                if (
                    top < touching.bottom
                    and touching.top < top + height
                    and left < touching.right
                    and touching.left < left + width
                ):
                    yield Window(top, left, height, width)


def blended(grid: Grid, window: Window, channels: int, make: Callable[[Window], Tensor], like: Tensor) -> Tensor:
    """A window (1, channels, height, width) in float32 of what `make` gives for each tile, by weight, on the device of
    `like`. The same numbers whatever window they are asked for in."""
    total = like.new_zeros(1, channels, window.height, window.width, dtype=torch.float32)
    share = like.new_zeros(window.height, window.width, dtype=torch.float32)
    weights = torch.outer(grid.down, grid.across).to(like.device)
    for tile in grid.windows(window):
        top, left = max(tile.top, window.top), max(tile.left, window.left)
        bottom, right = min(tile.bottom, window.bottom), min(tile.right, window.right)
        there = (slice(top - window.top, bottom - window.top), slice(left - window.left, right - window.left))
        here = (slice(top - tile.top, bottom - tile.top), slice(left - tile.left, right - tile.left))
        total[(..., *there)] += make(tile)[(..., *here)].float() * weights[here]
        share[there] += weights[here]
    return total / share.clamp_min(LEAST)


# --- our default ---


def even(size: Size, side: int, overlap: int, step: int = 1) -> Grid:
    """Everything in one tile where its area allows, else the fewest tiles, evenly spread, with flanks of a raised
    cosine. step: pixels to a latent pixel; `size`, `side` and `overlap` are in latent pixels, the grid in pixels."""
    whole = size.height * size.width <= side**2
    lengths = [n if whole else min(n, side) for n in (size.height, size.width)]
    rows, cols = (
        tuple(step * at for at in spread(n, length, min(overlap, length - 1)))
        for n, length in zip((size.height, size.width), lengths, strict=True)
    )
    return Grid(rows, cols, *(flanks(step * n, step * min(overlap, n // 2)) for n in lengths))


def spread(size: int, side: int, overlap: int) -> tuple[int, ...]:
    """Offsets of the fewest tiles that cover `size` with at least that overlap, at even distances."""
    count = max(1, math.ceil((size - overlap) / (side - overlap)))
    return tuple(round(i * (size - side) / max(1, count - 1)) for i in range(count))


def flanks(length: int, overlap: int) -> Tensor:
    """Weights (length,) that rise from FLOOR to 1 over `overlap`, and fall again likewise."""
    weights = torch.ones(length)
    rise = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(overlap) + 0.5) / max(1, overlap))
    rise = FLOOR + (1 - FLOOR) * rise
    weights[:overlap] = rise
    weights[length - overlap :] = rise.flip(0)
    return weights


# --- as published ---


def published(size: Size, side: int = SIDE, overlap: int = OVERLAP) -> Grid:
    """Square tiles no larger than the shorter side; the last in a row touches the border. One tile has no weights."""
    side = min(side, size.height, size.width)
    if size.height * size.width <= side**2:
        return Grid((0,), (0,), torch.ones(side), torch.ones(side))
    overlap = min(overlap, max(side - 1, 0))
    rows, cols = (offsets(n, side, overlap) for n in (size.height, size.width))
    return Grid(rows, cols, gaussian(side), gaussian(side))


def offsets(size: int, side: int, overlap: int) -> tuple[int, ...]:
    """0, s, 2s ... with s = side - overlap, and size - side."""
    return (*range(0, size - side, side - overlap), size - side)


def gaussian(side: int) -> Tensor:
    """Weights (side,) of variance 0.01 in units of the side."""
    away = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    return (-away.square() / (2 * 0.01 * side**2)).exp().float()
