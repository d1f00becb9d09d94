"""Squares of different sides in one tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Squares:
    """Squares in the top left corners of one canvas. Values are 8-bit: whole numbers from 0 to 255 in float32.

    pixels: (B, 3, C, C). What lies beyond a side is finite and means nothing.
    sides: of each, in pixels, 1 to C.
    """

    pixels: Tensor
    sides: tuple[int, ...]

    @property
    def canvas(self) -> int:
        return self.pixels.shape[-1]

    def changed(self, rows: Sequence[int], change: Callable[[Squares], Tensor]) -> Squares:
        """The squares, of which some are changed and keep their sides.

        rows: which ones.
        change: of these to their new pixels on the same canvas.
        """
        if not rows:
            return self
        if len(rows) == len(self.sides):
            return Squares(change(self), self.sides)
        index = on(self.pixels, rows)
        some = Squares(self.pixels[index], tuple(self.sides[n] for n in rows))
        return Squares(self.pixels.index_copy(0, index, change(some)), self.sides)

    def at(self, rows: Tensor, cols: Tensor) -> Tensor:
        """The pixels (B, 3, N, M) at rows (B, N) and columns (B, M) of each square."""
        items = torch.arange(len(rows), device=rows.device).view(-1, 1, 1, 1)
        channels = torch.arange(3, device=rows.device).view(1, 3, 1, 1)
        return self.pixels[items, channels, rows[:, None, :, None], cols[:, None, None, :]]


@cache
def constant(values: tuple[float, ...] | tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    """Numbers that never change, as one float32 tensor on a device."""
    return torch.tensor(values).to(device)


def on(beside: Tensor, values: Sequence[int] | Sequence[float] | Sequence[bool] | Sequence[Sequence[float]]) -> Tensor:
    """Numbers as a tensor on the device of another one. A GPU is not waited for."""
    host = torch.tensor(values)
    return host.pin_memory().to(beside.device, non_blocking=True) if beside.is_cuda else host.to(beside.device)


def whole(pixels: Tensor) -> Tensor:
    """Rounded and cut to 8-bit values."""
    return pixels.round().clamp(0, 255)


def reflected(positions: Tensor, sides: Tensor) -> Tensor:
    """Positions (..., N) as they are found in a square of a side (..., 1), mirrored at its outermost pixels, which are
    not repeated."""
    period = (2 * (sides - 1)).clamp_min(1)
    turned = positions.remainder(period)
    return torch.minimum(turned, 2 * (sides - 1) - turned).clamp_min(0)
