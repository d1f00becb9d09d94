"""Peak signal-to-noise ratio by BasicSR's definition."""

from __future__ import annotations

import math

import numpy as np

STUDIO_LUMA = (65.481, 128.553, 24.966)


def luma(image: np.ndarray) -> np.ndarray:
    """BT.601 studio-range luma (H, W) in [16, 235], not rounded, of uint8 RGB (H, W, 3)."""
    return 16 + image.astype(np.float64) @ np.array(STUDIO_LUMA) / 255


def psnr(test: np.ndarray, reference: np.ndarray, *, border: int = 0, channel: str = "y") -> float:
    """PSNR in dB of uint8 RGB images (H, W, 3): 10 log10(255^2 / mean squared error).

    border: pixels to cut from each side first; papers use the scale.
    channel: "y" (studio luma) or "rgb".

    Infinite for equal images. Raises ValueError if the sizes differ or nothing is left.
    """
    a, b = cropped(test, reference, border)
    if channel == "y":
        a, b = luma(a), luma(b)
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return math.inf if error == 0 else float(10 * math.log10(255**2 / error))


def cropped(test: np.ndarray, reference: np.ndarray, border: int) -> tuple[np.ndarray, np.ndarray]:
    """Both images without their border. Raises ValueError if the sizes differ or nothing is left."""
    if test.shape != reference.shape:
        raise ValueError(f"sizes differ: {test.shape} and {reference.shape}")
    if min(test.shape[:2]) <= 2 * border:
        raise ValueError(f"a border of {border} leaves nothing of {test.shape[1]}x{test.shape[0]}")
    cut = slice(border, -border or None)
    return test[cut, cut], reference[cut, cut]
