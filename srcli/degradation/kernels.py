"""Blur kernels for degradations: Gaussians of several shapes, and the sinc of ringing and overshoot.

Shapes and names follow Real-ESRGAN (Wang et al. 2021, sections 3.2 and 3.3).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

import numpy as np

MAX_SIDE = 31  # pixels
SINC_HALF = 10  # pixels from the middle of a sinc to its side


@dataclass(frozen=True, slots=True)
class Blur:
    """A blur, in pixels of the picture that it is applied to.

    kind: gaussian, generalised, plateau or sinc.
    sigma: standard deviations along the two axes of an ellipse.
    angle: rotation of the ellipse in radians.
    shape: exponent; 1 is a Gaussian, less has longer tails, more a flatter top.
    cutoff: of the sinc, an ideal low-pass that leaves rings, in radians per pixel.
    """

    kind: str
    _: KW_ONLY
    sigma: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    shape: float = 1.0
    cutoff: float = math.pi

    def kernel(self) -> np.ndarray:
        """The kernel: float32 (n, n), n odd, with sum 1."""
        if self.kind == "sinc":
            return _normal(_sinc(self.cutoff))
        if self.kind not in ("gaussian", "generalised", "plateau"):
            raise ValueError(f"unknown blur {self.kind!r}")
        return _normal(self._bell())

    @property
    def half(self) -> int:
        """Pixels from the middle of a bell to its side: three sigmas hold almost all of a Gaussian; flat tops need
        less, long tails more."""
        return min(MAX_SIDE // 2, max(1, math.ceil(3 * max(1e-3, *self.sigma) / min(1.0, self.shape))))

    def _bell(self) -> np.ndarray:
        sigma, half = np.maximum(self.sigma, 1e-3), self.half
        y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
        along = (x * math.cos(self.angle) + y * math.sin(self.angle)) / sigma[0]
        across = (y * math.cos(self.angle) - x * math.sin(self.angle)) / sigma[1]
        squared = along**2 + across**2
        if self.kind == "plateau":
            return 1 / (squared**self.shape + 1)
        return np.exp(-0.5 * squared**self.shape)


def _sinc(cutoff: float, half: int = SINC_HALF) -> np.ndarray:
    """The circular sinc, cutoff * J1(cutoff r) / (2 pi r), truncated at `half` pixels."""
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    r = np.hypot(x, y)
    r[half, half] = 1
    kernel = cutoff * bessel1(cutoff * r) / (2 * math.pi * r)
    kernel[half, half] = cutoff**2 / (4 * math.pi)
    return kernel


def bessel1(x: np.ndarray) -> np.ndarray:
    """Bessel function J1 as an integral over a period, for which equal steps converge exponentially."""
    angle = (np.arange(64) + 0.5) * (math.pi / 64)
    return np.cos(angle - x[..., None] * np.sin(angle)).mean(-1)


def _normal(kernel: np.ndarray) -> np.ndarray:
    return (kernel / kernel.sum()).astype(np.float32)
