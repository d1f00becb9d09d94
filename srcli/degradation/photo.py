"""Degrade a photo with a preset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from srcli.degradation.presets import PRESETS
from srcli.degradation.synthetic import Degradation, draw, seed_of
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, Picture

MAX_SCALE = 16


class DegradeError(SrcliError):
    """An invalid preset, scale or seed, or options that contradict each other."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How to degrade photos. The parameters drawn depend on a photo's name, the scale and the seed.

    preset: light, moderate or heavy.
    scale: 1 to 16.
    """

    preset: str
    scale: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise DegradeError(f"unknown preset {self.preset!r}; use {', '.join(PRESETS)}")
        if not 1 <= self.scale <= MAX_SCALE:
            raise DegradeError(f"--scale must be from 1 to {MAX_SCALE}, not {self.scale:g}")
        if self.seed < 0:
            raise DegradeError(f"--seed must be 0 or more, not {self.seed}")

    def used(self, photo: Size) -> Size:
        """The part of a photo that is used: for integer scales, sides are multiples of the scale, as in benchmarks."""
        if not self.scale.is_integer():
            return photo
        return Size(*(n - n % int(self.scale) for n in (photo.height, photo.width)))

    def size(self, photo: Size) -> Size:
        """Size of the degraded version. Raises ImageError if nothing would be left."""
        part = self.used(photo)
        size = Size(round(part.height / self.scale), round(part.width / self.scale))
        if min(size.height, size.width) < 1:
            raise ImageError(f"{photo} is too small for 1/{self.scale:g} of its size")
        return size

    def degradation(self, name: str, *, grey: bool) -> Degradation:
        """The degradation drawn for a photo of this name."""
        return draw(self.preset, self.scale, seed_of(name, self.scale, self.seed), grey=grey)


def degrade(picture: Picture, name: str, settings: Settings) -> Picture:
    """The degraded version of a picture, in 8 bits per channel.

    name: the photo's name, on which the parameters depend. Raises ImageError.
    """
    part, size = settings.used(picture.size), settings.size(picture.size)
    small = settings.degradation(name, grey=picture.grey)(picture.rgb()[: part.height, : part.width], size)
    picture = picture.eight()
    alpha = picture.alpha
    if alpha is not None:
        inside = Image.fromarray(np.ascontiguousarray(alpha[: part.height, : part.width]))
        alpha = np.asarray(inside.resize((size.width, size.height), Image.Resampling.BOX))
    return replace(picture, colour=small[..., 1:2] if picture.grey else small, alpha=alpha)
