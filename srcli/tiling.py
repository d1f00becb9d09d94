"""Which part of the output is made when.

Models that decode a window exactly need no overlap and no blending: the tile only bounds the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from srcli.geometry import Size, Window

SMALLEST_TILE = 64


def fit_tile(size: Size, cost: Callable[[int, int], int], budget: int) -> Size:
    """The largest of ever smaller equal tiles that costs at most `budget` bytes.

    `cost(height, width)`: bytes that a tile of that size needs. The longer side is cut into one more part each
    time, down to 64 pixels, whatever those cost.
    """
    rows = cols = 1
    while True:
        height, width = math.ceil(size.height / rows), math.ceil(size.width / cols)
        if cost(height, width) <= budget or max(height, width) <= SMALLEST_TILE:
            return Size(height, width)
        rows, cols = (rows + 1, cols) if height >= width else (rows, cols + 1)


def tiles(size: Size, tile: Size) -> Iterator[Window]:
    """Windows that cover the output row by row; the last of each row and column may be smaller."""
    for top in range(0, size.height, tile.height):
        for left in range(0, size.width, tile.width):
            yield Window(top, left, min(tile.height, size.height - top), min(tile.width, size.width - left))
