"""Seam score: how visible the borders between tiles are. About 1 without seams."""

from __future__ import annotations

import numpy as np

from srcli.metrics.psnr import luma

MIN_TILE = 8
ALONG = 8  # pixels along a border over which differences are averaged
NEAR = 16  # pixels on each side with which a border is compared


def seam_score(image: np.ndarray, tile: int) -> float | None:
    """Power of the second difference of luma across tile borders over its mean near them, on the worse axis.

    image: uint8 RGB (H, W, 3).
    tile: pixels per side of a tile.

    Differences are averaged over 8 pixels along the border first, which keeps steps and removes texture. None for a
    flat picture or one of a single tile. Raises ValueError for tiles below 8 pixels.
    """
    values = luma(image)
    scores = [s for s in (_along(axis, tile) for axis in (values, values.T)) if s is not None]
    return max(scores, default=None)


def _along(values: np.ndarray, tile: int) -> float | None:
    if tile < MIN_TILE:
        raise ValueError(f"a tile needs at least {MIN_TILE} pixels per side, not {tile}")
    # Entry i is values[i] - 2 values[i + 1] + values[i + 2]: a step between columns k - 1 and k is in k - 2 and k - 1.
    bends = np.diff(values[: len(values) // ALONG * ALONG], n=2, axis=1)
    power = (bends.reshape(-1, ALONG, bends.shape[1]).mean(1) ** 2).mean(0)
    borders = np.arange(tile, values.shape[1] - 1, tile)
    at = np.zeros(len(power), bool)
    at[borders - 2] = at[borders - 1] = True
    near = np.zeros(len(power), bool)
    for k in borders:
        near[max(0, k - 2 - NEAR) : k + NEAR] = True
    around = power[near & ~at].mean() if len(borders) else 0
    return float(power[at].mean() / around) if around > 0 else None
