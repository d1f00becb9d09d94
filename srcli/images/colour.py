"""Convert between a profile's tone curve and the sRGB curve that networks expect.

Only the tone curve is converted, per channel; the primaries stay those of the picture. So all colours of a wide gamut
stay between 0 and 1 and are restored exactly. (With sRGB's primaries, saturated colours would lie outside, on which
learned priors fail: CIEDE2000 of 20 instead of 0.4.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import imagecodecs
import numpy as np

from srcli.errors import SrcliError

RELATIVE = 1  # LittleCMS: relative colorimetric, white stays white
ALIKE = 1.5 / 255  # a curve closer to sRGB's than this is taken as sRGB
SRGB_GAMMA = 1 / 2.2  # the gamma of PNGs that mean sRGB
STEPS = np.linspace(0, 1, 4097) ** 2  # denser where curves are steep


class ProfileError(SrcliError):
    """An unusable colour profile."""


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """How a picture's values relate to brightness.

    curve: sRGB values at `STEPS`; None for sRGB itself.
    """

    curve: np.ndarray | None = None

    def to_network(self, colour: np.ndarray) -> np.ndarray:
        """Convert values (H, W, C), float32 in [0, 1], to the sRGB curve."""
        return colour if self.curve is None else np.interp(colour, STEPS, self.curve).astype(np.float32)

    def from_network(self, colour: np.ndarray) -> np.ndarray:
        """The inverse of `to_network`; values are clipped to [0, 1]."""
        return colour if self.curve is None else np.interp(colour, self.curve, STEPS).astype(np.float32)


PLAIN = Space()


@lru_cache(maxsize=16)
def space_of(icc: bytes | None, gamma: float | None = None) -> Space:
    """The space of a profile for RGB or grey, or of a PNG's gamma.

    gamma: encoded = light ** gamma.

    Raises ProfileError if the profile is damaged or its curve has no inverse.
    """
    if icc is not None:
        curve = _neutral(icc)
    elif gamma is not None and abs(gamma - SRGB_GAMMA) > 1e-3:
        curve = _encoded(STEPS ** (1 / gamma))
    else:
        return PLAIN
    if np.abs(curve - STEPS).max() < ALIKE:
        return PLAIN
    if abs(curve[0]) > 0.2 or abs(curve[-1] - 1) > 0.2 or not (np.diff(curve) >= 0).all():
        raise ProfileError("the colour profile has no usable tone curve")
    curve = (curve - curve[0]) / (curve[-1] - curve[0])
    return Space(curve + (STEPS - curve) * 1e-6)  # strictly rising, so that it can be inverted


def _neutral(icc: bytes) -> np.ndarray:
    """sRGB values of the greys of a profile, at `STEPS`."""
    grey = icc[16:20] == b"GRAY"
    ramp = STEPS.astype(np.float32)[None, :]
    try:
        made = imagecodecs.cms_transform(
            ramp if grey else np.repeat(ramp[..., None], 3, 2),
            icc,
            srgb(),
            colorspace="gray" if grey else "rgb",
            outcolorspace="rgb",
            outdtype="float32",
            intent=RELATIVE,
        )
    except Exception as error:  # the library has its own exceptions
        raise ProfileError(f"the colour profile cannot be used: {error}") from None
    curve = made[0].astype(np.float64).mean(1)
    if not np.isfinite(curve).all():
        raise ProfileError("the colour profile has no usable tone curve")
    return curve


def _encoded(light: np.ndarray) -> np.ndarray:
    """The sRGB curve (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@cache
def srgb() -> bytes:
    """An sRGB profile to embed in files."""
    return imagecodecs.cms_profile("srgb")
