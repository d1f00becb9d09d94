"""Flat noise: what a result shows where its original is flat, be it noise that was left or texture that was invented.
Metrics of whole pictures forgive both."""

from __future__ import annotations

import cv2
import numpy as np

from srcli.metrics.psnr import luma

WINDOW = 11  # pixels a side in which the original's luma hardly varies
FLAT = 2.0  # its largest standard deviation there, in 8-bit steps
FINE = 9  # pixels a side of the mean that fine detail is left of
LEAST = 0.002  # share of a picture that must be flat for a number


def flat_noise(test: np.ndarray, reference: np.ndarray) -> float | None:
    """Root mean square of fine detail, in 8-bit steps, where the reference is flat; about 1 for photos themselves.

    Both uint8 RGB (H, W, 3). None where hardly anything is flat. Raises ValueError where sizes differ.
    """
    if test.shape != reference.shape:
        raise ValueError(f"sizes differ: {test.shape} and {reference.shape}")
    grey = luma(reference)
    variance = _mean(grey**2, WINDOW) - _mean(grey, WINDOW) ** 2
    flat = variance < FLAT**2
    if flat.mean() < LEAST:
        return None
    values = test.astype(np.float64)
    return float(np.sqrt(np.mean((values - _mean(values, FINE))[flat] ** 2)))


def _mean(values: np.ndarray, side: int) -> np.ndarray:
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)
