"""A small picture that every worker must always make the same of."""

from __future__ import annotations

import hashlib

import numpy as np

from srcli.geometry import Target
from srcli.images.picture import Picture
from srcli.tiling.model import Sampling
from srcli.upscaler import Upscaler

SIDE = 32


def picture() -> Picture:
    """Waves, an edge and a ramp, by formula: the same on every machine."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    red, green, blue = (x * y) % 97 * 2 + 20, x * 7, 255 * (x + y > SIDE)
    return Picture(np.stack([red, green, blue], axis=2).clip(0, 255).astype(np.uint8))


def sha256(upscaler: Upscaler) -> str:
    """The hash of what a model makes of it. It depends on the model, its precision, the device and torch's version.

    Raises SrcliError if the result does not match the picture.
    """
    made = upscaler.run(picture(), Target(scale=2.0), Sampling(strict=True)).picture.colour
    return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()
