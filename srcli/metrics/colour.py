"""Colour drift: CIEDE2000 between two pictures after a wide blur, which removes all detail."""

from __future__ import annotations

import cv2
import numpy as np

BLUR = 8.0  # sigma in pixels
CHROMA = 25.0**7


def colour_drift(test: np.ndarray, reference: np.ndarray) -> float:
    """Mean CIEDE2000 of uint8 sRGB images (H, W, 3) after a Gaussian blur of 8 pixels; 1 is just visible.

    Raises ValueError if the sizes differ.
    """
    if test.shape != reference.shape:
        raise ValueError(f"sizes differ: {test.shape} and {reference.shape}")
    return float(ciede2000(_lab(test), _lab(reference)).mean())


def _lab(image: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), BLUR)
    return cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float64)


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Colour difference of CIELAB values (..., 3), D65 (Sharma, Wu and Dalal 2005, eq. 2 to 22)."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(lab, -1, 0) for lab in (first, second))
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean_c7 / (mean_c7 + CHROMA))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where((turn == -180) & (h2 > h1), 180, turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = np.where(grey, h1 + h2, (h1 + turn / 2) % 360)

    def cosine(times: int, offset: float) -> np.ndarray:
        return np.cos(np.radians(times * hue + offset))

    t = 1 - 0.17 * cosine(1, -30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, 6) - 0.20 * cosine(4, -63)
    weight_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    weight_c, weight_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    around_blue = 60 * np.exp(-(((hue - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + CHROMA)) * np.sin(np.radians(around_blue))
    dl, dc, dh = dl / weight_l, dc / weight_c, dh / weight_h
    return np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + rotation * dc * dh, 0))
