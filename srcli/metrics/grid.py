"""Grid score: how strongly a pattern of a fixed period shows in a picture. Natural images score about 1."""

from __future__ import annotations

import numpy as np

from srcli.metrics.psnr import luma

NEAR = 2  # bins on each side into which a Hann window spreads a line
WIDE = 12  # bins on each side that form the neighbourhood


def grid_score(image: np.ndarray, period: int = 3) -> float | None:
    """Power of the luma gradient at 1 / period cycles per pixel over the median power around it, on the worse axis.

    image: uint8 RGB (H, W, 3).

    For each axis: difference of neighbours, Hann window along the axis, power spectrum averaged over lines, cropped
    to a multiple of the period so that the frequency is exactly one bin.

    None for a flat picture, or one whose spectrum is too small for a neighbourhood.
    """
    values = luma(image)
    scores = [_along(axis, period) for axis in (values, values.T)]
    return None if None in scores else max(s for s in scores if s is not None)


def _along(values: np.ndarray, period: int) -> float | None:
    gradient = np.diff(values, axis=1)
    length = gradient.shape[1] // period * period
    line = length // period
    if line <= WIDE or line + WIDE > length // 2:
        return None
    power = (np.abs(np.fft.rfft(gradient[:, :length] * np.hanning(length + 1)[:-1], axis=1)) ** 2).mean(0)
    around = np.median(np.r_[power[line - WIDE : line - NEAR], power[line + NEAR + 1 : line + WIDE + 1]])
    return float(power[line] / around) if around > 0 else None
