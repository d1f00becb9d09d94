"""A whole photo degraded by a preset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from srcli.degradation.presets import PRESETS
from srcli.degradation.synthetic import Degradation, draw, seed_of
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, Picture

LARGEST_SCALE = 16


class DegradeError(SrcliError):
    """A preset, scale or seed that does not exist."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How photos are degraded. Parameters depend on a photo's name, the scale and the seed."""

    preset: str
    scale: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise DegradeError(f"unknown preset {self.preset!r}; use {', '.join(PRESETS)}")
        if not 1 <= self.scale <= LARGEST_SCALE:
            raise DegradeError(f"a photo is made smaller by 1 to {LARGEST_SCALE}, not by {self.scale:g}")
        if self.seed < 0:
            raise DegradeError(f"a seed is not negative, as {self.seed} is")

    def used(self, photo: Size) -> Size:
        """The part of a photo that is used: for whole scales it is cut to a multiple, as benchmarks do, so that it fits
        its small version exactly."""
        if not self.scale.is_integer():
            return photo
        return Size(*(n - n % int(self.scale) for n in (photo.height, photo.width)))

    def size(self, photo: Size) -> Size:
        """The degraded version's. Raises ImageError where nothing would be left."""
        part = self.used(photo)
        size = Size(round(part.height / self.scale), round(part.width / self.scale))
        if min(size.height, size.width) < 1:
            raise ImageError(f"{photo} is too small for 1/{self.scale:g} of its size")
        return size

    def degradation(self, name: str, *, grey: bool) -> Degradation:
        """What happens to a photo of that name."""
        return draw(self.preset, self.scale, seed_of(name, self.scale, self.seed), grey=grey)


def degrade(picture: Picture, name: str, how: Settings) -> Picture:
    """The degraded version, 8 bits a channel. Raises ImageError."""
    part, size = how.used(picture.size), how.size(picture.size)
    small = how.degradation(name, grey=picture.grey)(picture.rgb()[: part.height, : part.width], size)
    picture = picture.eight()
    alpha = picture.alpha
    if alpha is not None:
        inside = Image.fromarray(np.ascontiguousarray(alpha[: part.height, : part.width]))
        alpha = np.asarray(inside.resize((size.width, size.height), Image.Resampling.BOX))
    return replace(picture, colour=small[..., 1:2] if picture.grey else small, alpha=alpha)
