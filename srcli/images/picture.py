"""A decoded picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from srcli.geometry import Size


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels and what belongs to them. Upright: the EXIF orientation is applied and removed.

    colour: uint8 (H, W, 3) RGB or (H, W, 1) grey. alpha: uint8 (H, W) or None. icc, exif: as in the file.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = ()  # what reading had to change, for the person

    @property
    def size(self) -> Size:
        return Size(*self.colour.shape[:2])

    @property
    def grey(self) -> bool:
        return self.colour.shape[2] == 1

    def rgb(self) -> np.ndarray:
        """Colour as uint8 (H, W, 3), grey in all three."""
        return np.repeat(self.colour, 3, 2) if self.grey else self.colour


def bleed(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour with invisible pixels replaced by that of the nearest visible one, so that upscaling draws no halo.

    colour: uint8 (H, W, C); alpha: uint8 (H, W).
    """
    hidden = (alpha == 0).astype(np.uint8)
    if not hidden.any() or hidden.all():
        return colour
    _, labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros((labels.max() + 1, colour.shape[2]), np.uint8)
    nearest[labels[hidden == 0]] = colour[hidden == 0]
    return np.where(hidden[..., None] > 0, nearest[labels], colour)
