"""Choose the part of a picture to show: where it has most detail, or least."""

from __future__ import annotations

import math
from fractions import Fraction

import cv2
import numpy as np

from srcli.geometry import Size, Window
from srcli.metrics.psnr import luma

GRID = 8  # input pixels: corners of parts lie on multiples of this, the blocks of JPEG and the folds of networks
FINEST = 16  # largest denominator of a scale for which corners are whole pixels in the result, too


def detailed(image: np.ndarray, side: int, align: int = 1) -> Window:
    """The square of uint8 RGB (H, W, 3) with the largest mean gradient of luma.

    side: pixels; smaller pictures are taken as they are.
    align: its corner lies on multiples of this.
    """
    return _extreme(image, side, align, np.argmax)


def flattest(image: np.ndarray, side: int, align: int = 1) -> Window:
    """The square with the smallest mean gradient of luma."""
    return _extreme(image, side, align, np.argmin)


def _extreme(image: np.ndarray, side: int, align: int, best) -> Window:
    values = luma(image)
    gradient = np.zeros_like(values)
    gradient[:, :-1] += np.abs(np.diff(values, axis=1))
    gradient[:-1] += np.abs(np.diff(values, axis=0))
    height, width = (min(side, n) for n in values.shape)
    sums = cv2.integral(gradient)
    whole = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    places = whole[::align, ::align]
    top, left = np.unravel_index(int(best(places)), places.shape)
    return Window(int(top) * align, int(left) * align, height, width)


def grid_of(scale: float) -> int:
    """Multiples of so many input pixels are whole pixels of the result."""
    return math.lcm(GRID, Fraction(scale).limit_denominator(FINEST).denominator)


def enlarged(window: Window, scale: float, size: Size) -> Window:
    """A part of the input in a result of `size`."""
    top, left = (min(round(n * scale), most - 1) for n, most in ((window.top, size.height), (window.left, size.width)))
    height, width = (max(1, round(n * scale)) for n in (window.height, window.width))
    return Window(top, left, min(height, size.height - top), min(width, size.width - left))
