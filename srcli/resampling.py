"""Resizing of any rectangle of the output, from absolute positions (align_corners=False): tiles equal the whole.

Each resampler has two parts: taps along an axis, made on the CPU because not every device has float64, and the weighted
sum along both, to whose device the taps go as the two tables that they are. Keys' cubic (1981) has a = -0.5 everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.geometry import Size, Window


@dataclass(frozen=True, slots=True)
class Taps:
    """For n output positions along an axis: T input positions each (T, n), and their weights (T, n)."""

    index: Tensor
    weight: Tensor

    @property
    def first(self) -> int:
        return int(self.index.min())

    @property
    def last(self) -> int:
        """Exclusive."""
        return int(self.index.max()) + 1


@dataclass(frozen=True, slots=True)
class LinearTaps:
    """For n output positions along an axis: two neighbours (2, n), their weights (2, n), the signed distances to them
    (2, n), and the size of an output pixel (`cell`). An LR pixel is 2 units long in distances and cells."""

    index: Tensor
    relative: Tensor
    weight: Tensor
    cell: float

    def shifted(self, origin: int) -> LinearTaps:
        """The same positions on an image that begins at `origin`."""
        return LinearTaps(self.index - origin, self.relative, self.weight, self.cell) if origin else self

    def to(self, device: str | torch.device) -> LinearTaps:
        return LinearTaps(self.index.to(device), self.relative.to(device), self.weight.to(device), self.cell)


def linear_taps(positions: Tensor, low: int, high: float) -> LinearTaps:
    """Taps of linear interpolation at output positions (n,) of an axis resized from `low` to `high` pixels. Neighbours
    beyond the border repeat the border pixel, at their own distance."""
    u = (positions.double() + 0.5) * (low / high) - 0.5
    first = u.floor()
    fraction = u - first
    index = torch.stack([first, first + 1]).long().clamp_(0, low - 1)
    relative = torch.stack([fraction, fraction - 1]) * 2
    weight = torch.stack([1 - fraction, fraction])
    return LinearTaps(index, relative.float(), weight.float(), 2 * low / high)


def cubic_taps(positions: Tensor, low: int, high: int) -> Taps:
    """Taps of bicubic enlargement at output positions (n,) of an axis resized from `low` to `high` pixels. Beyond the
    border the outermost pixel is repeated."""
    place = (positions.double() + 0.5) * (low / high) - 0.5
    first = place.floor()
    near = place - first
    weight = cubic(torch.stack([1 + near, near, 1 - near, 2 - near])).float()
    return Taps((first.long() + torch.arange(-1, 3)[:, None]).clamp_(0, low - 1), weight)


def antialiased_taps(first: int, last: int, low: int, high: int) -> Taps:
    """Taps of bicubic resizing at output positions first..last-1 of an axis resized from `low` to `high` pixels. The
    kernel is stretched where the axis shrinks, and renormalised at the borders, as Pillow does."""
    step = low / high
    stretch = max(step, 1.0)
    centre = (torch.arange(first, last, dtype=torch.float64) + 0.5) * step - 0.5
    count = int(4 * stretch) + 2
    index = (centre - 2 * stretch).floor().long() + 1 + torch.arange(-1, count)[:, None]
    weight = cubic((index - centre) / stretch) * ((index >= 0) & (index < low))
    return Taps(index.clamp(0, low - 1), (weight / weight.sum(0)).float())


def cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -0.5; zero beyond 2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def resample(image: Tensor, rows: Taps, cols: Taps, top: int = 0, left: int = 0) -> Tensor:
    """(..., H, W), a part that begins at (top, left) of what the taps count in, to (..., n_rows, n_cols)."""
    return _weighted(_weighted(image, cols, left, -1), rows, top, -2)


def enlarge(image: Tensor, rows: Tensor, cols: Tensor, size: Size) -> Tensor:
    """The rows (n,) and columns (m,), on the CPU, of `image` (..., h, w) enlarged to `size` by bicubic interpolation:
    (..., n, m) in float32."""
    h, w = image.shape[-2:]
    y, x = cubic_taps(rows, h, size.height), cubic_taps(cols, w, size.width)
    # Columns first, on the few low rows that are needed: gathering along rows of the result is slow.
    return resample(image[..., y.first : y.last, :].float(), y, x, top=y.first)


def enlarged(image: Tensor, window: Window, size: Size) -> Tensor:
    """A window of `image` (..., h, w) enlarged to `size` by bicubic interpolation."""
    rows, cols = torch.arange(window.top, window.bottom), torch.arange(window.left, window.right)
    return enlarge(image, rows, cols, size)


def interpolate(image: Tensor, rows: LinearTaps, cols: LinearTaps) -> Tensor:
    """Bilinear samples (..., n_rows, n_cols) of `image` (..., H, W); taps on the CPU, whose ends are read here."""
    first, last = int(rows.index[0, 0]), int(rows.index[1, -1]) + 1
    return _lerp(_lerp(image[..., first:last, :], cols, -1), rows.shifted(first), -2)


def bilinear(image: Tensor, size: tuple[int, int]) -> Tensor:
    """All of `image` (B, C, h, w) at another size; nothing to do for the same. Differentiable."""
    return image if torch.Size(size) == image.shape[-2:] else F.interpolate(image, size, mode="bilinear")


def mirrored(positions: Tensor, length: int) -> Tensor:
    """Positions on an axis of that length that goes back and forth beyond its ends, which are repeated."""
    turned = positions.remainder(2 * length)
    return torch.where(turned < length, turned, 2 * length - 1 - turned)


def window_taps(window: Window, own: Size, size: Size) -> tuple[Taps, Taps]:
    """Rows and columns of a window of the output `size`, from a picture of the size `own`."""
    return (
        antialiased_taps(window.top, window.bottom, own.height, size.height),
        antialiased_taps(window.left, window.right, own.width, size.width),
    )


def source_window(window: Window, own: Size, size: Size) -> Window:
    """The part of a picture of the size `own` that a window of the output `size` is resampled from."""
    if size == own:
        return window
    rows, cols = window_taps(window, own, size)
    return Window(rows.first, cols.first, rows.last - rows.first, cols.last - cols.first)


def _weighted(image: Tensor, taps: Taps, origin: int, dim: int) -> Tensor:
    # One product and one sum at a time: fused operations round differently in vectors and in their tails.
    total = None
    inside = (taps.index - origin).clamp(0, image.shape[dim] - 1)  # beyond only where the weight is zero
    for index, weight in zip(inside.to(image.device), taps.weight.to(image), strict=True):
        part = image.index_select(dim, index) * (weight if dim == -1 else weight[:, None])
        total = part if total is None else total + part
    assert total is not None
    return total


def _lerp(image: Tensor, taps: LinearTaps, dim: int) -> Tensor:
    index = taps.index.to(image.device)
    first, second = image.index_select(dim, index[0]), image.index_select(dim, index[1])
    fraction = taps.weight[1].to(image)
    # Not torch.lerp, whose vector and scalar loops round differently.
    return first + (second - first) * (fraction if dim == -1 else fraction[:, None])
