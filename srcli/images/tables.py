"""Tone curve and number type as tables: stored values to what networks see, and back, exactly as `colour` and `picture`
compute it, in one look-up that any device can do."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from srcli.images.colour import Space
from srcli.images.picture import RANGES, quantise, unit


@lru_cache(maxsize=16)
def seen(kind: np.dtype, space: Space) -> np.ndarray:
    """What networks see of every stored value of an integer type: float32 (256,) or (65536,)."""
    return space.to_network(unit(np.arange(RANGES[kind] + 1, dtype=kind)))


@lru_cache(maxsize=16)
def thresholds(kind: np.dtype, space: Space) -> np.ndarray:
    """The least float32 that is stored as 1, as 2 ...: float32 (255,) or (65535,). How many of them a network's value
    reaches is its stored value."""
    levels = np.arange(1, RANGES[kind] + 1)
    # Floats of 0 and more are in the order of their bits, so that halving a range of bits finds the exact one.
    low, high = np.zeros(len(levels), np.int32), np.full(len(levels), np.float32(1).view(np.int32))
    while (open_ := low < high).any():
        middle = low + (high - low) // 2
        reached = quantise(space.from_network(middle.view(np.float32)), kind) >= levels
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    return low.view(np.float32)
