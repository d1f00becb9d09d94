"""Structural similarity (Wang et al. 2004) by BasicSR's definition."""

from __future__ import annotations

import cv2
import numpy as np

from srcli.metrics.psnr import cropped, luma

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WINDOW, SIGMA = 11, 1.5


def ssim(test: np.ndarray, reference: np.ndarray, *, border: int = 0, channel: str = "y") -> float:
    """Mean SSIM of uint8 RGB images (H, W, 3), 1 for equal images.

    border: pixels to cut from each side first.
    channel: "y" (studio luma, not rounded) or "rgb" (mean of the SSIM of the three channels).

    Gaussian window of 11 pixels, sigma 1.5, population moments, only where the window lies inside the picture. Raises
    ValueError if the sizes differ or no window fits.
    """
    a, b = cropped(test, reference, border)
    if min(a.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW} pixels a side, got {a.shape[1]}x{a.shape[0]} without the border")
    if channel == "y":
        return _ssim(luma(a), luma(b))
    return float(np.mean([_ssim(a[..., c].astype(np.float64), b[..., c].astype(np.float64)) for c in range(3)]))


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    mean_a, mean_b = _smooth(a), _smooth(b)
    square_a, square_b, product = mean_a**2, mean_b**2, mean_a * mean_b
    variances = _smooth(a**2) - square_a + _smooth(b**2) - square_b
    covariance = _smooth(a * b) - product
    values = (2 * product + C1) * (2 * covariance + C2) / ((square_a + square_b + C1) * (variances + C2))
    return float(values.mean())


def _smooth(image: np.ndarray) -> np.ndarray:
    kernel, cut = cv2.getGaussianKernel(WINDOW, SIGMA), WINDOW // 2
    return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel)[cut:-cut, cut:-cut]
