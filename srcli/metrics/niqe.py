"""NIQE (Mittal, Soundararajan and Bovik 2013) by BasicSR's definition.

It measures how far a picture's local statistics are from those of sharp photos. It needs no reference and means little
for pictures below a few hundred pixels per side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from srcli.degradation.bicubic import reduce
from srcli.errors import SrcliError
from srcli.metrics.psnr import STUDIO_LUMA

BLOCK = 96  # pixels per side at full size; half of it at half size
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


class NiqeError(SrcliError):
    """The parameters of NIQE are missing or do not fit."""

    exit_code = 4


def _gamma(values: np.ndarray) -> np.ndarray:
    return torch.lgamma(torch.from_numpy(np.asarray(values, np.float64))).exp().numpy()


SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = _gamma(2 / SHAPES) ** 2 / (_gamma(1 / SHAPES) * _gamma(3 / SHAPES))


@dataclass(frozen=True, slots=True)
class NIQE:
    """Statistics of sharp photos.

    mean: of the features, (36,).
    covariance: of the features, (36, 36).
    window: of the local normalisation, (7, 7).
    """

    mean: np.ndarray
    covariance: np.ndarray
    window: np.ndarray

    @classmethod
    def load(cls, path: Path) -> NIQE:
        """Load from safetensors with BasicSR's names. Raises NiqeError."""
        try:
            found = load_file(path)
            return cls(found["mu_pris_param"].ravel(), found["cov_pris_param"], found["gaussian_window"])
        except (OSError, KeyError, SafetensorError) as error:
            raise NiqeError(f"{path} does not hold the parameters of NIQE: {error}") from error

    def __call__(self, image: np.ndarray, *, border: int = 0) -> float:
        """The distance of a uint8 RGB image (H, W, 3) from sharp photos; lower is better.

        border: pixels to cut from each side.

        NaN if too few blocks have texture. Raises ValueError below 96 pixels per side.
        """
        height, width = (n - 2 * border for n in image.shape[:2])
        rows, cols = height // BLOCK, width // BLOCK
        if not rows or not cols:
            raise ValueError(f"NIQE needs {BLOCK} pixels a side, got {width}x{height}")
        values = _luma(image[border : border + rows * BLOCK, border : border + cols * BLOCK])
        halved = reduce(values / np.float32(255), 2).astype(np.float32) * np.float32(255)
        features = np.concatenate([self._features(values, BLOCK), self._features(halved, BLOCK // 2)], axis=1)
        whole = features[~np.isnan(features).any(1)]
        if len(whole) < 2:
            return math.nan
        mean = np.nanmean(features, axis=0)
        covariance = np.cov(whole, rowvar=False)
        difference = self.mean - mean
        return float(math.sqrt(difference @ np.linalg.pinv((self.covariance + covariance) / 2) @ difference))

    def _features(self, values: np.ndarray, block: int) -> np.ndarray:
        """18 features per block. float32 as in BasicSR, since in flat areas the spread is due to rounding."""
        mean = self._smooth(values)
        spread = np.sqrt(np.abs(self._smooth(values**2) - mean**2))
        normal = (values - mean) / (spread + 1)
        rows, cols = (n // block for n in normal.shape)
        places = [(r * block, c * block) for c in range(cols) for r in range(rows)]
        return np.array([list(_block_features(normal[y : y + block, x : x + block])) for y, x in places])

    def _smooth(self, values: np.ndarray) -> np.ndarray:
        wide = values.astype(np.float64)
        return cv2.filter2D(wide, cv2.CV_64F, self.window, borderType=cv2.BORDER_REPLICATE).astype(np.float32)


def _luma(image: np.ndarray) -> np.ndarray:
    """Studio luma, rounded to whole numbers in the same steps as BasicSR, which matters for ties."""
    values = (image.astype(np.float32) / np.float32(255)) @ np.array(STUDIO_LUMA) + 16
    return np.round((values / 255).astype(np.float32) * np.float32(255))


def _block_features(block: np.ndarray) -> Iterator[float]:
    shape, left, right = _asymmetric_gaussian(block)
    yield from (shape, (left + right) / 2)
    for shift in SHIFTS:
        shape, left, right = _asymmetric_gaussian(block * np.roll(block, shift, axis=(0, 1)))
        yield from (shape, (right - left) * math.gamma(2 / shape) / math.gamma(1 / shape), left, right)


def _asymmetric_gaussian(values: np.ndarray) -> tuple[float, float, float]:
    """Shape, left scale and right scale of the asymmetric generalised Gaussian with the moments of `values`."""
    left, right = (
        math.sqrt(np.mean(side**2)) if side.size else math.nan for side in (values[values < 0], values[values > 0])
    )
    ratio = left / right if right else math.nan
    power = np.mean(values**2)
    moment = np.mean(np.abs(values)) ** 2 / power if power else math.nan
    wanted = moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = float(SHAPES[np.argmin((RATIOS - wanted) ** 2)])
    factor = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape))
    return shape, left * factor, right * factor
