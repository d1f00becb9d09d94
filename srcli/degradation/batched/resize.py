"""Resizing of many squares, each from and to a side of its own, as products with one matrix a square."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.degradation.batched.squares import Squares, on

BLOCK = 32  # canvases are multiples of it, so that few shapes occur


def box(x: Tensor) -> Tensor:
    return ((x > -0.5) & (x <= 0.5)).float()


def triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp_min(0)


def cubic(x: Tensor, a: float = -0.5) -> Tensor:
    """Keys' kernel (1981)."""
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


def sharp_cubic(x: Tensor) -> Tensor:
    """OpenCV's."""
    return cubic(x, -0.75)


@dataclass(frozen=True, slots=True)
class Resizer:
    """kernel: its weights by distance. antialiased: stretched where pictures become smaller, as Pillow does; if not,
    border pixels are repeated, as OpenCV does."""

    kernel: Callable[[Tensor], Tensor]
    antialiased: bool = True


RESIZERS = {
    "area": Resizer(box),
    "bilinear": Resizer(triangle),
    "bicubic": Resizer(cubic),
    "lanczos": Resizer(lanczos),
    "bilinear-aliased": Resizer(triangle, antialiased=False),
    "bicubic-aliased": Resizer(sharp_cubic, antialiased=False),
}
ENLARGING = Resizer(cubic, antialiased=False)  # `srcli.resampling.enlarge`


def resized(squares: Squares, sides: Sequence[int], names: Sequence[str]) -> Squares:
    """Squares at other sides. names: how each is resized, of `RESIZERS`."""
    if tuple(sides) == squares.sides:
        return squares
    canvas = -(-max(sides) // BLOCK) * BLOCK
    index = torch.arange(canvas, device=squares.pixels.device).expand(len(sides), -1)
    matrix = matrices([RESIZERS[name] for name in names], squares, sides, index)
    across = squares.pixels @ matrix.mT[:, None]
    # Pillow rounds between both passes, OpenCV does not.
    rounds = on(squares.pixels, [RESIZERS[name].antialiased for name in names]).view(-1, 1, 1, 1)
    return Squares(_half_up(matrix[:, None] @ torch.where(rounds, _half_up(across), across)), tuple(sides))


def _half_up(pixels: Tensor) -> Tensor:
    """Rounded to 8-bit values as integer arithmetic does it: means of two pixels are ties half of the time."""
    return (pixels + 0.5).floor().clamp(0, 255)


def reduced(squares: Squares, side: int) -> Squares:
    """All squares at one smaller side, as `srcli.degradation.bicubic.downscale` makes them."""
    count = len(squares.sides)
    made = resized(squares, [side] * count, ["bicubic"] * count)
    return Squares(made.pixels[..., :side, :side], made.sides)


def enlarged(squares: Squares, side: int, rows: Tensor, cols: Tensor) -> Tensor:
    """Rows (B, N) and columns (B, M) of squares enlarged to one side by bicubic interpolation: (B, 3, N, M) in float32,
    not rounded."""
    kinds, sides = [ENLARGING] * len(squares.sides), [side] * len(squares.sides)
    return matrices(kinds, squares, sides, rows)[:, None] @ (
        squares.pixels @ matrices(kinds, squares, sides, cols).mT[:, None]
    )


def matrices(kinds: Sequence[Resizer], squares: Squares, sides: Sequence[int], places: Tensor) -> Tensor:
    """Weights (B, N, C) of the pixels of each row for the places (B, N) of an axis resized to other sides. Rows of
    places beyond their side are 0."""
    matrix = squares.pixels.new_zeros(*places.shape, squares.canvas)
    for kind in dict.fromkeys(kinds):
        rows = [n for n, other in enumerate(kinds) if other == kind]
        index = on(places, rows)
        low, high = on(places, [squares.sides[n] for n in rows]), on(places, [sides[n] for n in rows])
        matrix.index_copy_(0, index, _weights(kind, low, high, places[index], squares.canvas))
    return matrix


def _weights(kind: Resizer, low: Tensor, high: Tensor, places: Tensor, canvas: int) -> Tensor:
    low, high, places = low.view(-1, 1, 1), high.view(-1, 1, 1), places[..., None]
    at = torch.arange(canvas, device=places.device)
    # Whole numbers until the division: distances to the ends of a box are exact.
    apart = ((2 * at + 1) * high - (2 * places + 1) * low).float()
    if kind.antialiased:
        weights = kind.kernel(apart / (2 * torch.maximum(low, high))) * (at < low)
        return weights / weights.sum(-1, keepdim=True).where(places < high, 1.0)
    distance = apart / (2 * high)
    weights = kind.kernel(distance) * (at < low)
    for beyond in (1, 2):
        weights = (
            weights + kind.kernel(distance - beyond) * (at == 0) + kind.kernel(distance + beyond) * (at == low - 1)
        )
    return weights
