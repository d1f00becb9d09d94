"""Blur kernels of degraded photos: Gaussians of several shapes, and the sinc of sharpening and ringing.

Shapes and names follow Real-ESRGAN (Wang et al. 2021, section 3.2 and 3.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LARGEST = 31  # pixels a side


@dataclass(frozen=True, slots=True)
class Blur:
    """A blur in pixels of the picture that it is applied to.

    kind: `gaussian` (shape 1), `generalised` (shape below 1 has longer tails, above 1 a flatter top), `plateau`, or
    `sinc`, an ideal low-pass of radial `cutoff` in radians a pixel, which leaves rings. sigma: along the two axes of
    the ellipse, turned by `angle` radians.
    """

    kind: str
    sigma: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    shape: float = 1.0
    cutoff: float = math.pi

    def kernel(self) -> np.ndarray:
        """float32 (n, n), n odd, sums to 1."""
        if self.kind == "sinc":
            return _normal(_sinc(self.cutoff))
        if self.kind not in ("gaussian", "generalised", "plateau"):
            raise ValueError(f"unknown blur {self.kind!r}")
        return _normal(self._bell())

    def _bell(self) -> np.ndarray:
        sigma = np.maximum(self.sigma, 1e-3)
        # Flat tops end sooner and long tails later than a Gaussian, whose three sigmas hold almost everything.
        half = min(LARGEST // 2, max(1, math.ceil(3 * float(sigma.max()) / min(1.0, self.shape))))
        y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
        along = (x * math.cos(self.angle) + y * math.sin(self.angle)) / sigma[0]
        across = (y * math.cos(self.angle) - x * math.sin(self.angle)) / sigma[1]
        squared = along**2 + across**2
        if self.kind == "plateau":
            return 1 / (squared**self.shape + 1)
        return np.exp(-0.5 * squared**self.shape)


def _sinc(cutoff: float, half: int = 10) -> np.ndarray:
    """The circular sinc: cutoff * J1(cutoff r) / (2 pi r), cut at `half` pixels."""
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    r = np.hypot(x, y)
    r[half, half] = 1
    kernel = cutoff * bessel1(cutoff * r) / (2 * math.pi * r)
    kernel[half, half] = cutoff**2 / (4 * math.pi)
    return kernel


def bessel1(x: np.ndarray) -> np.ndarray:
    """Bessel function J1, by its integral over a period: equal steps converge faster than any power."""
    angle = (np.arange(64) + 0.5) * (math.pi / 64)
    return np.cos(angle - x[..., None] * np.sin(angle)).mean(-1)


def _normal(kernel: np.ndarray) -> np.ndarray:
    return (kernel / kernel.sum()).astype(np.float32)
