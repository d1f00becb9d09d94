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


def bleed(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour with invisible pixels replaced by their visible neighbourhood, so that upscaling draws no halo.

    colour: uint8 (H, W, C); alpha: uint8 (H, W). Averages over ever larger boxes until everything is filled.
    """
    visible = (alpha > 0).astype(np.float32)
    if visible.all() or not visible.any():
        return colour
    known = colour.astype(np.float32) * visible[..., None]
    out, missing = colour.copy(), visible == 0
    radius = 1
    while missing.any():
        box = (2 * radius + 1, 2 * radius + 1)
        share = cv2.boxFilter(visible, -1, box, borderType=cv2.BORDER_CONSTANT)
        total = cv2.boxFilter(known, -1, box, borderType=cv2.BORDER_CONSTANT).reshape(known.shape)
        reached = missing & (share > 1e-6)
        out[reached] = np.rint(total[reached] / share[reached, None]).clip(0, 255)
        missing &= ~reached
        radius *= 3
    return out
