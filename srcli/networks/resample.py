"""Antialiased bicubic resizing of any rectangle of the output, from absolute positions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Taps:
    """For n output positions along one axis: T input positions each (T, n), and their weights (T, n)."""

    index: Tensor
    weight: Tensor

    @property
    def first(self) -> int:
        return int(self.index.min())

    @property
    def last(self) -> int:
        """Exclusive."""
        return int(self.index.max()) + 1


def taps(first: int, last: int, given: int, wanted: int) -> Taps:
    """Output positions first..last-1 of an axis resized from `given` to `wanted` pixels. The kernel (Keys 1981, a =
    -0.5) is stretched where the axis shrinks, and renormalised at the borders, as Pillow does."""
    step = given / wanted
    stretch = max(step, 1.0)
    centre = (torch.arange(first, last, dtype=torch.float64) + 0.5) * step - 0.5
    count = int(4 * stretch) + 2
    index = (centre - 2 * stretch).floor().long() + 1 + torch.arange(-1, count)[:, None]
    weight = cubic((index - centre) / stretch) * ((index >= 0) & (index < given))
    return Taps(index.clamp(0, given - 1), (weight / weight.sum(0)).float())


def cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -0.5; zero beyond 2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def resample(image: Tensor, rows: Taps, cols: Taps, top: int = 0, left: int = 0) -> Tensor:
    """(..., H, W), a part that begins at (top, left) of what the taps count in, to (..., n_rows, n_cols)."""
    return _along(_along(image, cols, left, -1), rows, top, -2)


def _along(image: Tensor, taps: Taps, origin: int, dim: int) -> Tensor:
    total = None
    for index, weight in zip(taps.index - origin, taps.weight, strict=True):
        inside = index.clamp(0, image.shape[dim] - 1)  # only where the weight is zero
        scale = weight.to(image) if dim == -1 else weight.to(image)[:, None]
        part = image.index_select(dim, inside.to(image.device)) * scale
        total = part if total is None else total + part
    assert total is not None
    return total
