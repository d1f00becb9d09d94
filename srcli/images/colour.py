"""Colour spaces: what a profile says, as the sRGB that networks know, and back.

Conversions are float32 and unbounded (LittleCMS): colours outside sRGB become values outside [0, 1], and survive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import imagecodecs
import numpy as np

from srcli.errors import SrcliError

RELATIVE = 1  # LittleCMS: relative colorimetric, white stays white
ALIKE = 1.5 / 255  # a space whose values differ by less from sRGB's is sRGB
D65 = (0.3127, 0.3290, 1.0)
PRIMARIES = (0.64, 0.33, 1.0, 0.30, 0.60, 1.0, 0.15, 0.06, 1.0)


class ProfileError(SrcliError):
    """A colour profile that cannot be used."""


@dataclass(frozen=True, slots=True)
class Space:
    """The colour space of an RGB picture. profile: None for sRGB and for what is kept as it is."""

    profile: bytes | None = None

    def to_network(self, colour: np.ndarray) -> np.ndarray:
        """Encoded values (H, W, 3), float32, as extended sRGB."""
        if self.profile is None:
            return colour
        return _encoded(_transform(colour, self.profile, linear_srgb()))

    def from_network(self, colour: np.ndarray) -> np.ndarray:
        """The inverse of `to_network`, up to what the profile's tables lose; not clipped."""
        if self.profile is None:
            return colour
        return _transform(_decoded(colour), linear_srgb(), self.profile)


@lru_cache(maxsize=16)
def space_of(icc: bytes | None) -> Space:
    """The space of an RGB profile. Raises `ProfileError` for one that is damaged or cannot be left again."""
    if icc is None or icc[16:20] != b"RGB ":
        return Space()
    steps = np.linspace(0, 1, 6, dtype=np.float32)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(6, 36, 3)
    space = Space(icc)
    try:
        there = space.to_network(cube)
        back = space.from_network(there)
    except Exception as error:  # the library's errors are of its own kinds
        raise ProfileError(f"the colour profile cannot be used: {error}") from None
    if np.abs(there - cube).max() < ALIKE:
        return Space()
    if not np.abs(back - cube).max() < 2 * ALIKE:
        raise ProfileError("the colour profile has no way back")
    return space


@cache
def linear_srgb() -> bytes:
    """A profile with sRGB's primaries and no curve."""
    return imagecodecs.cms_profile("rgb", whitepoint=list(D65), primaries=list(PRIMARIES), gamma=1.0)


@cache
def srgb() -> bytes:
    """The sRGB profile, to be embedded."""
    return imagecodecs.cms_profile("srgb")


def _transform(colour: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    return imagecodecs.cms_transform(
        np.ascontiguousarray(colour, np.float32), source, target,
        colorspace="rgb", outcolorspace="rgb", outdtype="float32", intent=RELATIVE,
    )  # fmt: skip


def _encoded(linear: np.ndarray) -> np.ndarray:
    """sRGB's curve (IEC 61966-2-1), mirrored at zero as in scRGB, so that colours outside stay near."""
    size = np.abs(linear)
    curve = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** np.float32(1 / 2.4) - 0.055)
    return np.copysign(curve, linear).astype(np.float32, copy=False)


def _decoded(encoded: np.ndarray) -> np.ndarray:
    size = np.abs(encoded)
    curve = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** np.float32(2.4))
    return np.copysign(curve, encoded).astype(np.float32, copy=False)
