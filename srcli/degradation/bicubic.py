"""Antialiased bicubic downscaling, which benchmarks use to make their inputs."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image


def downscale(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 (H, W, 3) or (H, W) to (height, width) with Pillow's antialiased bicubic filter."""
    if image.dtype != np.uint8:
        raise ValueError(f"expected uint8, got {image.dtype}")
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def reduce(values: np.ndarray, factor: int) -> np.ndarray:
    """MATLAB's imresize by 1 / factor: (H, W) to (H / factor, W / factor).

    values: floats, with sides that are multiples of the factor; else ValueError.

    Antialiased bicubic (a = -0.5) as in Pillow, but in float64 and with the picture mirrored at its border.
    """
    if any(n % factor for n in values.shape):
        raise ValueError(f"{values.shape[1]}x{values.shape[0]} is not a multiple of {factor}")
    distance = np.abs((np.arange(-2 * factor, 3 * factor) - (factor - 1) / 2) / factor)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, np.where(distance <= 2, far, 0))
    weights /= weights.sum()
    for _ in range(2):
        padded = np.pad(values.T.astype(np.float64), ((0, 0), (2 * factor, 2 * factor)), mode="symmetric")
        values = sliding_window_view(padded, 5 * factor, axis=1)[:, ::factor] @ weights
    return values
