"""Pixel-aligned levels of degradation: one photo at its own size, as a camera would show it at ever lower resolution.

For models of the path from sharp to degraded (DegFlow), which are trained on real photos of one scene through several
lenses. Where there are none, these levels take their place: blur, a reduction and an enlargement, noise and JPEG, all
growing with the scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from srcli.degradation.kernels import Blur
from srcli.degradation.synthetic import Jpeg, Noise, jpeg, noisy


@dataclass(frozen=True, slots=True)
class Camera:
    """How a photo gets worse with the scale s, at s = 4: blur of `sigma` pixels of the photo along the axes of an
    ellipse turned by `angle`, noise of that standard deviation in 8-bit steps, JPEG of that quality. At lower scales
    the blur and the noise are in proportion to s - 1, and JPEG's loss too."""

    sigma: tuple[float, float] = (1.0, 1.0)
    angle: float = 0.0
    noise: float = 1.0
    quality: int = 92
    seed: int = 0

    def __call__(self, image: np.ndarray, scale: float) -> np.ndarray:
        """uint8 RGB (H, W, 3) to the same size at a scale of 1 (itself) to 4."""
        if not 1 <= scale <= 4:
            raise ValueError(f"levels go from 1 to 4, not to {scale}")
        share = (scale - 1) / 3
        if share == 0:
            return image
        kernel = Blur("gaussian", (self.sigma[0] * share, self.sigma[1] * share), self.angle).kernel()
        blurred = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        noise = Noise("gaussian", self.noise * share, False, self.seed) if self.noise else None
        file = Jpeg(round(100 - (100 - self.quality) * share), halved=False) if self.quality < 100 else None
        return taken(blurred, scale, noise, file)


def taken(image: np.ndarray, scale: float, noise: Noise | None, file: Jpeg | None) -> np.ndarray:
    """uint8 RGB (H, W, 3) as taken with `scale` times fewer pixels a side and enlarged to its own size again: noise and
    JPEG are of the small picture."""
    height, width = image.shape[:2]
    low = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = np.asarray(Image.fromarray(image).resize(low, Image.Resampling.BICUBIC))
    small = jpeg(noisy(small, noise), file)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def draw_camera(rng: np.random.Generator) -> Camera:
    """A camera like others: the path from a photo alone cannot know which one took it, so they differ little."""
    wide = float(rng.uniform(0.8, 1.2))
    angle = float(rng.uniform(0, np.pi))
    return Camera((wide, wide * float(rng.uniform(0.75, 1.0))), angle, float(rng.uniform(0.5, 1.5)), 92,
                  int(rng.integers(2**31)))  # fmt: skip
