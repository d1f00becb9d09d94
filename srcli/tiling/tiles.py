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


def strips(size: Size, tile: Size, top: int = 0) -> Iterator[list[Window]]:
    """Windows that cover the output from row `top`: strips from top to bottom, each with its tiles from left to right;
    the last of each row and column may be smaller."""
    for start in range(top, size.height, tile.height):
        height = min(tile.height, size.height - start)
        yield [
            Window(start, left, height, min(tile.width, size.width - left)) for left in range(0, size.width, tile.width)
        ]
