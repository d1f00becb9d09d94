"""Flat noise: fine detail of a result where its original is flat, either remaining noise or invented texture.

Metrics of whole pictures hardly notice either.
"""

from __future__ import annotations

import cv2
import numpy as np

from srcli.metrics.psnr import luma

WINDOW = 11  # pixels per side of the neighbourhood in which the original's luma hardly varies
FLAT = 2.0  # largest standard deviation of luma there, in 8-bit steps
FINE = 9  # pixels per side of the local mean; fine detail is the difference from it
MIN_SHARE = 0.002  # share of a picture that must be flat


def flat_noise(test: np.ndarray, reference: np.ndarray) -> float | None:
    """Root mean square of fine detail, in 8-bit steps, where the reference is flat; about 1 for photos.

    test, reference: uint8 RGB (H, W, 3).

    None if hardly anything is flat. Raises ValueError if the sizes differ.
    """
    if test.shape != reference.shape:
        raise ValueError(f"sizes differ: {test.shape} and {reference.shape}")
    grey = luma(reference)
    variance = _mean(grey**2, WINDOW) - _mean(grey, WINDOW) ** 2
    flat = variance < FLAT**2
    if flat.mean() < MIN_SHARE:
        return None
    values = test.astype(np.float64)
    return float(np.sqrt(np.mean((values - _mean(values, FINE))[flat] ** 2)))


def _mean(values: np.ndarray, side: int) -> np.ndarray:
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)
