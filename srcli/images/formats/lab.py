"""CIE L*a*b* of files to sRGB."""

from __future__ import annotations

import numpy as np

from srcli.images.picture import RANGES

WHITE = (0.9642, 1.0, 0.8249)  # D50, which Photoshop and scanners mean
EPSILON, KAPPA = 216 / 24389, 24389 / 27  # CIE 15
TO_LINEAR = (  # XYZ of D50 to linear sRGB, adapted by Bradford's method
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)
OUTSIDE = 1 / 255  # how far beyond sRGB a colour counts as clipped
ROWS = 256  # that are converted together


def to_srgb(pixels: np.ndarray, *, signed: bool, full: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored L*a*b* (H, W, 1 or 3), uint8 or uint16, to sRGB of the same type, and notes.

    signed: whether a* and b* are two's complements; otherwise they are shifted by half their range.
    full: the stored value of L* = 100.
    """
    out = np.empty_like(pixels)
    clipped = 0
    for top in range(0, len(pixels), ROWS):
        part = slice(top, top + ROWS)
        out[part], lost = _converted(pixels[part], signed, full)
        clipped += lost
    notes: tuple[str, ...] = ("LAB was converted to sRGB",)
    if share := clipped / max(1, pixels.shape[0] * pixels.shape[1]):
        notes = (f"LAB was converted to sRGB; {100 * share:.2g} % of the pixels lay outside of it and were clipped",)
    return out, notes


def _converted(pixels: np.ndarray, signed: bool, full: float) -> tuple[np.ndarray, int]:
    kind, deep = pixels.dtype, pixels.dtype == np.uint16
    lightness = pixels[..., 0].astype(np.float32) * np.float32(100 / full)
    if pixels.shape[2] == 1:
        made = _encoded(_light(lightness, grey := np.zeros_like(lightness), grey))[..., 1:2]
    else:
        step = np.float32(1 / 256 if deep else 1)
        chroma = pixels[..., 1:3].view(np.int16 if deep else np.int8) if signed else pixels[..., 1:3]
        chroma = chroma.astype(np.float32) * step - np.float32(0 if signed else 128)
        made = _encoded(_light(lightness, chroma[..., 0], chroma[..., 1]))
    lost = int(((made < -OUTSIDE) | (made > 1 + OUTSIDE)).any(-1).sum())
    return np.rint(made.clip(0, 1) * RANGES[kind]).astype(kind), lost


def _light(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Linear sRGB (h, w, 3)."""
    y = (lightness + 16) / 116
    relative = []
    for value in (y + a / 500, y, y - b / 200):
        cube = value**3
        relative.append(np.where(cube > EPSILON, cube, (116 * value - 16) / np.float32(KAPPA)))
    xyz = np.stack(np.broadcast_arrays(*relative), -1) * np.array(WHITE, np.float32)
    return xyz @ np.array(TO_LINEAR, np.float32).T


def _encoded(light: np.ndarray) -> np.ndarray:
    """The curve of sRGB, mirrored below 0."""
    size = np.abs(light)
    curve = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** np.float32(1 / 2.4) - 0.055)
    return np.copysign(curve, light)
