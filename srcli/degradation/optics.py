"""What lenses, hands and editors do to a picture: blur, sharpening, resizing.

Every operation takes uint8 RGB (H, W, 3) and the size of the final picture, and says in words what it does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from srcli.degradation.kernels import Blur
from srcli.degradation.synthetic import resized
from srcli.geometry import Size

FINE = 4  # samples per pixel and side of which kernels are averages


@dataclass(frozen=True, slots=True)
class Resize:
    """Another size. Ends at the final size where `factor` is 1.

    factor: new sides, as a factor of the final ones.
    resizer: one of `srcli.degradation.synthetic.RESIZERS`.
    """

    factor: float
    resizer: str

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        target = Size(*(max(1, round(n * self.factor)) for n in (size.height, size.width)))
        return resized(image, target, self.resizer)

    def __str__(self) -> str:
        return f"{self.resizer} to {self.factor:.2f}x" if self.factor != 1 else self.resizer


@dataclass(frozen=True, slots=True)
class SoftBlur:
    """An elliptic Gaussian. along, across: standard deviations in pixels. angle: in radians."""

    along: float
    across: float
    angle: float

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        return _filtered(image, Blur("gaussian", sigma=(self.along, self.across), angle=self.angle).kernel())

    def __str__(self) -> str:
        return f"soft blur {math.sqrt(self.along * self.across):.1f}"


@dataclass(frozen=True, slots=True)
class LensBlur:
    """A lens out of focus: a disc. radius: in pixels."""

    radius: float

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        y, x = _grid(math.ceil(self.radius))
        return _filtered(image, _averaged(np.hypot(x, y) <= self.radius))

    def __str__(self) -> str:
        return f"lens blur {self.radius:.1f}"


@dataclass(frozen=True, slots=True)
class MotionBlur:
    """A camera that moved on a straight line. length: in pixels. angle: in radians, 0 along the rows."""

    length: float
    angle: float

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        y, x = _grid(math.ceil(self.length / 2) + 1)
        along = x * math.cos(self.angle) + y * math.sin(self.angle)
        across = y * math.cos(self.angle) - x * math.sin(self.angle)
        return _filtered(image, _averaged((abs(along) <= self.length / 2) & (abs(across) <= 0.5)))

    def __str__(self) -> str:
        return f"motion blur {self.length:.1f} at {math.degrees(self.angle):.0f} degrees"


@dataclass(frozen=True, slots=True)
class Sharpen:
    """An unsharp mask, with its halos.

    amount: how many times the difference to a Gaussian of `sigma` pixels is added.
    """

    amount: float
    sigma: float

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        smooth = cv2.GaussianBlur(image, (0, 0), self.sigma, borderType=cv2.BORDER_REFLECT_101)
        return cv2.addWeighted(image, 1 + self.amount, smooth, -self.amount, 0)

    def __str__(self) -> str:
        return f"sharpened {self.amount:.1f} at {self.sigma:.1f}"


def _filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def _grid(half: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x of the samples of 2 half + 1 pixels a side, 0 in the middle."""
    side = (2 * half + 1) * FINE
    at = (np.arange(side) + 0.5) / FINE - side / FINE / 2
    y, x = np.meshgrid(at, at, indexing="ij")
    return y, x


def _averaged(samples: np.ndarray) -> np.ndarray:
    """The kernel whose pixels are the means of their samples, with sum 1."""
    side = len(samples) // FINE
    kernel = samples.reshape(side, FINE, side, FINE).mean((1, 3))
    return (kernel / kernel.sum()).astype(np.float32)
