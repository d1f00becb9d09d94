"""Pixel-aligned levels of degradation: a photo at its own size, as a camera of lower resolution would show it.

Models of the path from sharp to degraded (DegFlow) are trained on real photos of the same scene through several lenses.
These levels replace such photos: blur, downscaling and upscaling, noise and JPEG, all growing with the scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from srcli.degradation.kernels import Blur
from srcli.degradation.synthetic import Jpeg, Noise, jpeg, noisy


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """How a photo degrades with the scale s. Values are for s = 4; below, they shrink in proportion to s - 1.

    sigma: blur along the axes of an ellipse, in pixels of the photo.
    angle: rotation of the ellipse in radians.
    noise: standard deviation in 8-bit steps.
    quality: of JPEG, 100 for none.
    """

    sigma: tuple[float, float] = (1.0, 1.0)
    angle: float = 0.0
    noise: float = 1.0
    quality: int = 92
    seed: int = 0

    def __call__(self, image: np.ndarray, scale: float) -> np.ndarray:
        """Degrade uint8 RGB (H, W, 3) at its own size, by a scale from 1 (unchanged) to 4."""
        if not 1 <= scale <= 4:
            raise ValueError(f"levels go from 1 to 4, not to {scale}")
        share = (scale - 1) / 3
        if share == 0:
            return image
        kernel = Blur("gaussian", sigma=(self.sigma[0] * share, self.sigma[1] * share), angle=self.angle).kernel()
        blurred = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        noise = Noise(kind="gaussian", sigma=self.noise * share, grey=False, seed=self.seed) if self.noise else None
        file = Jpeg(round(100 - (100 - self.quality) * share), halved=False) if self.quality < 100 else None
        return taken(blurred, scale, noise, file)


def taken(image: np.ndarray, scale: float, noise: Noise | None, file: Jpeg | None) -> np.ndarray:
    """uint8 RGB (H, W, 3), downscaled by `scale` and upscaled again, with noise and JPEG on the small picture."""
    height, width = image.shape[:2]
    low = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = np.asarray(Image.fromarray(image).resize(low, Image.Resampling.BICUBIC))
    small = jpeg(noisy(small, noise), file)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera. Cameras differ little, since a model cannot know which one took a photo."""
    wide = float(rng.uniform(0.8, 1.2))
    angle = float(rng.uniform(0, np.pi))
    return Camera(
        sigma=(wide, wide * float(rng.uniform(0.75, 1.0))),
        angle=angle,
        noise=float(rng.uniform(0.5, 1.5)),
        quality=92,
        seed=int(rng.integers(2**31)),
    )
