"""What files do to a picture: JPEG, WebP, palettes, frames of video.

Every operation takes uint8 RGB (H, W, 3) and the size of the final picture, and says in words what it does. Blocks
begin `top` and `left` pixels outside of the picture, as in one that was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from srcli.degradation.synthetic import Jpeg, jpeg
from srcli.geometry import Size

BLOCK = 8  # pixels a side that are transformed together
GRID = 16  # pixels after which blocks of all codecs repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegFile:
    """JPEG. quality: 1 to 100. halved: chroma at half the resolution (4:2:0)."""

    quality: int
    halved: bool
    top: int = 0
    left: int = 0

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        return _shifted(image, self.top, self.left, lambda whole: jpeg(whole, Jpeg(self.quality, self.halved)))

    def __str__(self) -> str:
        return f"JPEG {self.quality} {'4:2:0' if self.halved else '4:4:4'}"


@dataclass(frozen=True, slots=True)
class WebpFile:
    """Lossy WebP, which smooths its blocks. quality: 1 to 100."""

    quality: int
    top: int = 0
    left: int = 0

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        return _shifted(image, self.top, self.left, self._coded)

    def _coded(self, image: np.ndarray) -> np.ndarray:
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, self.quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None, "it was encoded here"
        return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)

    def __str__(self) -> str:
        return f"WebP {self.quality}"


@dataclass(frozen=True, slots=True)
class Palette:
    """A few colours of the picture's own, as in a GIF. colours: 2 to 256. dithered: by Floyd and Steinberg (1976)."""

    colours: int
    dithered: bool

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        full = Image.fromarray(image)
        table = full.quantize(self.colours, method=Image.Quantize.MEDIANCUT)
        dither = Image.Dither.FLOYDSTEINBERG if self.dithered else Image.Dither.NONE
        return np.asarray(full.quantize(palette=table, dither=dither).convert("RGB"))

    def __str__(self) -> str:
        return f"{self.colours} colours{' dithered' if self.dithered else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFrame:
    """A frame of old video: the cosine transform of blocks of 8, of which all frequencies are rounded to one step, with
    4:2:0 and without smoothing of the blocks, at a reduced size and enlarged again.

    step: in 8-bit steps. factor: sides of the frame, as a factor of the picture's.
    """

    step: float
    factor: float
    top: int = 0
    left: int = 0

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        height, width = (max(BLOCK, round(n * self.factor)) for n in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        small = _shifted(small, self.top, self.left, self._coded)
        return cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)

    def _coded(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        below, right = -height % GRID, -width % GRID
        whole = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        light, *colours = cv2.split(cv2.cvtColor(whole, cv2.COLOR_RGB2YCrCb))
        half = (whole.shape[1] // 2, whole.shape[0] // 2)
        kept = [_rounded(light, self.step)]
        for colour in colours:
            coarse = _rounded(cv2.resize(colour, half, interpolation=cv2.INTER_AREA), self.step)
            kept.append(cv2.resize(coarse, (whole.shape[1], whole.shape[0]), interpolation=cv2.INTER_LINEAR))
        return cv2.cvtColor(cv2.merge(kept), cv2.COLOR_YCrCb2RGB)[:height, :width]

    def __str__(self) -> str:
        return f"video {self.step:.0f} at {self.factor:.2g}x"


def _shifted(image: np.ndarray, top: int, left: int, coded: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    whole = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(coded(whole)[top:, left:])


def _transform() -> np.ndarray:
    """The orthonormal cosine transform of 8 values: rows are frequencies."""
    frequency, place = np.mgrid[0:BLOCK, 0:BLOCK]
    rows = np.cos((2 * place + 1) * frequency * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


DCT = _transform()


def _rounded(values: np.ndarray, step: float) -> np.ndarray:
    """uint8 (H, W), of whose blocks all frequencies are rounded to multiples of a step, small ones to 0."""
    height, width = values.shape
    blocks = values.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).swapaxes(1, 2).astype(np.float32) - 128
    found = DCT @ blocks @ DCT.T
    level = np.sign(found) * np.floor(np.abs(found) / step + 1 / 3)  # encoders round towards 0: it costs less
    level[..., 0, 0] = np.rint(found[..., 0, 0] / step)
    back = DCT.T @ (level * step) @ DCT + 128
    return np.rint(back).clip(0, 255).astype(np.uint8).swapaxes(1, 2).reshape(height, width)
