"""What sensors and the software behind them do to a picture: noise, demosaicing, denoising.

Every operation takes uint8 RGB (H, W, 3) and the size of the final picture, and says in words what it does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from srcli.degradation.synthetic import Noise, noisy
from srcli.geometry import Size

GAINS = np.array([2.0, 1.0, 1.6], np.float32)  # of red, green and blue in daylight: red and blue get less light
MIDDLE = 0.25  # linear light of a middle grey
PAD = 4  # pixels, even: the mosaic stays in step


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """Noise on the finished picture: `srcli.degradation.synthetic.Noise`.

    kind: gaussian or poisson.
    sigma: standard deviation in 8-bit steps.
    grey: whether all channels get the same noise.
    """

    kind: str
    sigma: float
    grey: bool
    seed: int

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        return noisy(image, Noise(kind=self.kind, sigma=self.sigma, grey=self.grey, seed=self.seed))

    def __str__(self) -> str:
        return f"{'grey ' if self.grey else ''}{self.kind} noise {self.sigma:.1f}"


@dataclass(frozen=True, slots=True)
class SensorNoise:
    """A Bayer sensor: shot and read noise in linear light on one colour a pixel, demosaiced.

    photons: that a green pixel counts at white; fewer are noisier.
    read: standard deviation of the read noise in electrons.
    """

    photons: float
    read: float
    seed: int

    @property
    def sigma(self) -> float:
        """Standard deviation of a green pixel at middle grey, in 8-bit steps."""
        slope = 1.099 * 0.45 * MIDDLE ** (0.45 - 1)
        return 255 * slope * math.sqrt(MIDDLE * self.photons + self.read**2) / self.photons

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        padded = cv2.copyMakeBorder(image, PAD, PAD, PAD, PAD, cv2.BORDER_REFLECT_101)
        light = _mosaic(LINEAR[padded] / GAINS) * self.photons
        rng = np.random.default_rng(self.seed)
        counted = rng.poisson(light) + rng.normal(0, self.read, light.shape)
        raw = np.clip(counted / self.photons * _mosaic(np.broadcast_to(GAINS, padded.shape)), 0, 1)
        # OpenCV names a mosaic by its second row: RGGB is "BG".
        colour = cv2.cvtColor(np.rint(raw * 65535).astype(np.uint16), cv2.COLOR_BAYER_BG2RGB_EA)
        values = colour[PAD:-PAD, PAD:-PAD].astype(np.float32) / 65535
        curved = np.where(values < 0.018, 4.5 * values, 1.099 * values**0.45 - 0.099)
        return np.rint(curved * 255).astype(np.uint8)

    def __str__(self) -> str:
        return f"sensor noise {self.sigma:.1f}"


@dataclass(frozen=True, slots=True)
class Denoise:
    """Noise smoothed away as phones do: lightness by one filter, colour by a stronger one.

    method: bilateral, nonlocal (means; Buades et al. 2005) or median.
    light, colour: strength in 8-bit steps; the median has none for lightness.
    """

    method: str
    light: float
    colour: float

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        parts = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        colours = [cv2.bilateralFilter(part, 9, self.colour, 4) for part in parts[1:]]
        return cv2.cvtColor(cv2.merge([self._lightness(parts[0]), *colours]), cv2.COLOR_YCrCb2RGB)

    def _lightness(self, values: np.ndarray) -> np.ndarray:
        if self.method == "bilateral":
            return cv2.bilateralFilter(values, 7, self.light, 2)
        if self.method == "nonlocal":
            return cv2.fastNlMeansDenoising(values, None, self.light, 5, 11)
        if self.method == "median":
            return cv2.medianBlur(values, 3)
        raise ValueError(f"unknown denoising {self.method!r}")

    def __str__(self) -> str:
        return f"denoised {self.method}" + ("" if self.method == "median" else f" {self.light:.1f}")


def _linear() -> np.ndarray:
    """Linear light of 256 values by the curve of cameras (ITU-R BT.709), which is flatter near black than sRGB's."""
    values = np.arange(256) / 255
    return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45)).astype(np.float32)


LINEAR = _linear()


def _mosaic(colour: np.ndarray) -> np.ndarray:
    """(H, W, 3) to (H, W), the colour of RGGB at each pixel."""
    mosaic = colour[..., 1].copy()
    mosaic[::2, ::2] = colour[::2, ::2, 0]
    mosaic[1::2, 1::2] = colour[1::2, 1::2, 2]
    return mosaic
