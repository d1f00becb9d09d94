"""A decoded picture."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace

import cv2
import numpy as np

from srcli.geometry import Size
from srcli.images.metadata import Metadata

RANGES = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A decoded picture, upright: the EXIF orientation is applied and removed.

    colour: (H, W, 3) RGB or (H, W, 1) grey; uint8, uint16, or float32 with black and white at `span`.
    alpha: (H, W) of the same type, floats in [0, 1]; None if opaque.
    icc: the profile of `colour`; None for sRGB.
    span: black and white of floats.
    notes: what reading had to change, for the user.
    delay: milliseconds for which a frame of an animation is shown.
    tables: quantization tables of a JPEG, luminance first.
    """

    colour: np.ndarray
    _: KW_ONLY
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    span: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()
    delay: float = 0.0
    tables: tuple[tuple[int, ...], ...] = ()

    @property
    def size(self) -> Size:
        return Size(*self.colour.shape[:2])

    @property
    def grey(self) -> bool:
        return bool(self.colour.shape[2] == 1)

    @property
    def bits(self) -> int:
        """Bits per channel: 8, 16, or 32 for floats."""
        return 8 * self.colour.dtype.itemsize

    def __repr__(self) -> str:
        kind = ("grey" if self.grey else "RGB") + (" with alpha" if self.alpha is not None else "")
        return f"Picture({self.size}, {kind}, {self.bits} bits)"

    def _repr_png_(self) -> bytes:
        from srcli.images.preview import png

        return png(self)

    def eight(self) -> Picture:
        """The picture in 8 bits per channel."""
        if self.bits == 8:
            return self
        kind = np.dtype(np.uint8)
        alpha = None if self.alpha is None else quantise(unit(self.alpha), kind)
        return replace(self, colour=quantise(unit(self.colour, self.span), kind), alpha=alpha, span=(0.0, 1.0))

    def rgb(self) -> np.ndarray:
        """Colour as uint8 (H, W, 3); grey is repeated in all three channels."""
        colour = self.eight().colour
        return np.repeat(colour, 3, 2) if self.grey else colour


def unit(values: np.ndarray, span: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """Convert stored values of any type to float32 with black at 0 and white at 1."""
    if values.dtype in RANGES:
        return values.astype(np.float32) / np.float32(RANGES[values.dtype])
    low, high = span
    return ((values - low) / (high - low)).astype(np.float32, copy=False)


def quantise(values: np.ndarray, kind: np.dtype, span: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """The inverse of `unit`: convert float32 to stored values of a type, clipped."""
    values = values.clip(0, 1)
    if kind in RANGES:
        return np.rint(values * np.float32(RANGES[kind])).astype(kind)
    low, high = span
    return (values * np.float32(high - low) + np.float32(low)).astype(np.float32, copy=False)


def bleed(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give invisible pixels the colour of the nearest visible one, so that upscaling makes no halo.

    colour: (H, W, C) of any type.
    alpha: (H, W) of any type.
    """
    hidden = (alpha <= 0).astype(np.uint8)
    if not hidden.any() or hidden.all():
        return colour
    _, labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros((labels.max() + 1, colour.shape[2]), colour.dtype)
    nearest[labels[hidden == 0]] = colour[hidden == 0]
    return np.where(hidden[..., None] > 0, nearest[labels], colour)
