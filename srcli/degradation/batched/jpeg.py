"""JPEG of many squares, each of its own quality: what libjpeg makes of them, without the file.

Colours, chroma at half the resolution, cosine transform of blocks of 8, rounding by the tables of annex K of ITU-T T.81
scaled as libjpeg scales them, and the way back with smooth ("fancy") enlarging of chroma. The loss-free part of the
file, its codes, changes no pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from srcli.degradation.batched.squares import Squares, constant, on, reflected, whole
from srcli.degradation.synthetic import Jpeg

BLOCK = 8
LUMA_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMA_TABLE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *[99] * 32,
)  # fmt: skip
TRANSFORM = tuple(  # rows are frequencies, of the length sqrt(8)
    tuple((math.sqrt(2) if k else 1.0) * math.cos((2 * n + 1) * k * math.pi / 16) for n in range(BLOCK))
    for k in range(BLOCK)
)
YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def jpeg(squares: Squares, settings: Sequence[Jpeg], starts: Sequence[tuple[int, int]] | None = None) -> Tensor:
    """The pixels of squares as their JPEGs are decoded.

    starts: rows and columns, fewer than 16, by which the blocks begin outside of each square; None for none.
    """
    for halved in (False, True):
        rows = [n for n, one in enumerate(settings) if one.halved == halved]
        quality = [settings[n].quality for n in rows]
        begin = [(0, 0) if starts is None else starts[n] for n in rows]
        squares = squares.changed(rows, partial(_coded, quality=quality, begin=begin, halved=halved))
    return squares.pixels


def _coded(squares: Squares, quality: Sequence[int], begin: Sequence[tuple[int, int]], halved: bool) -> Tensor:
    pixels, unit = squares.pixels, BLOCK * (2 if halved else 1)
    length = -(-(squares.canvas + max(n for pair in begin for n in pair)) // unit) * unit
    shift = on(pixels, [n for pair in begin for n in pair]).view(-1, 2, 1)
    sides = on(pixels, squares.sides)[:, None]
    at = torch.arange(length, device=pixels.device)
    rows, cols = (_place(at - shift[:, axis], sides) for axis in (0, 1))
    light, chroma = _mixed(squares.at(rows, cols), YCC).split([1, 2], 1)
    light, chroma = whole(light), whole(chroma + 128)
    tables = [scaled(table, quality, pixels) for table in (LUMA_TABLE, CHROMA_TABLE)]
    light = _rounded(light, tables[0])
    if halved:
        ends = [(shift[:, axis] + sides + 1) // 2 - 1 for axis in (0, 1)]  # the last places that show something
        chroma = _doubled(_rounded(_half(chroma), tables[1]), *ends)
    else:
        chroma = _rounded(chroma, tables[1])
    decoded = whole(_mixed(torch.cat([light, chroma - 128], 1), RGB))
    back = torch.arange(squares.canvas, device=pixels.device)
    return Squares(decoded, squares.sides).at(back + shift[:, 0], back + shift[:, 1])


def scaled(table: Sequence[int], quality: Sequence[int], beside: Tensor) -> Tensor:
    """A table at qualities from 1 to 100, (B, 8, 8): 50 is the table itself."""
    factors = on(beside, [5000 // q if q < 50 else 200 - 2 * q for q in quality]).view(-1, 1, 1)
    steps = (constant(tuple(table), beside.device).view(1, BLOCK, BLOCK) * factors + 50) / 100
    return steps.floor().clamp(1, 255)


def _place(positions: Tensor, sides: Tensor) -> Tensor:
    """Where positions of padded squares are found: mirrored before the first pixel, the last one repeated."""
    return torch.where(positions < 0, reflected(positions, sides), torch.minimum(positions, sides - 1))


def _mixed(pixels: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return (constant(matrix, pixels.device) @ pixels.flatten(2)).view_as(pixels)


def _half(planes: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, of which ties are rounded down and up in turns along a row."""
    total = planes[..., ::2, ::2] + planes[..., ::2, 1::2] + planes[..., 1::2, ::2] + planes[..., 1::2, 1::2]
    bias = 1 + torch.arange(total.shape[-1], device=planes.device) % 2
    return ((total + bias) / 4).floor()


def _doubled(planes: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Planes (B, 2, n, n) at twice the size by weights 3/4 and 1/4. rows, cols: the last ones that count, (B, 1)."""
    total = _stretched(_stretched(planes.mT, rows).mT, cols)
    return ((total + 8 - torch.arange(total.shape[-1], device=planes.device) % 2) / 16).floor()


def _stretched(planes: Tensor, last: Tensor) -> Tensor:
    """Four times the planes at twice the width. last: the last column that counts, (B, 1)."""
    at = torch.arange(2 * planes.shape[-1], device=planes.device)
    other = torch.where(at % 2 == 0, at // 2 - 1, at // 2 + 1).clamp_min(0)
    near, far = (torch.minimum(place, last)[:, None, None].expand(*planes.shape[:-1], -1) for place in (at // 2, other))
    return 3 * planes.gather(-1, near) + planes.gather(-1, far)


def _rounded(planes: Tensor, table: Tensor) -> Tensor:
    """Planes (B, C, n, n) of 8-bit values after the transform of their blocks, rounded to the steps of tables.

    Rounded where libjpeg's integer transforms are: to quarters between both passes, to eighths after them.
    """
    count, channels, length, _ = planes.shape
    rows = constant(TRANSFORM, planes.device)
    blocks = planes.view(count, channels, length // BLOCK, BLOCK, length // BLOCK, BLOCK).transpose(3, 4) - 128
    steps = table[:, None, None, None]
    found = _integer(rows @ _integer(4 * blocks @ rows.mT) / 4)
    kept = found.sign() * ((found.abs() + 4 * steps) / (8 * steps)).floor() * steps
    back = _integer(_integer(4 * rows.mT @ kept) @ rows / 32) + 128
    return back.clamp(0, 255).transpose(3, 4).reshape(planes.shape)


def _integer(values: Tensor) -> Tensor:
    return (values + 0.5).floor()
