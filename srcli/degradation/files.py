"""Degraded versions of picture files, with their parameters beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from srcli import files, images
from srcli.degradation.presets import PRESETS
from srcli.degradation.synthetic import Degradation, draw, seed_of
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, Picture

LARGEST_SCALE = 16
RESULT = re.compile(rf"(.+)_(?:{'|'.join(PRESETS)}|degflow)_(?:x\d+(?:\.\d+)?|strip|path)")


class DegradeError(SrcliError):
    """A preset, scale or seed that does not exist."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Job:
    """How pictures are degraded. `label` marks the names of results."""

    preset: str
    scale: float
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise DegradeError(f"unknown preset {self.preset!r}; use {', '.join(PRESETS)}")
        if not 1 <= self.scale <= LARGEST_SCALE:
            raise DegradeError(f"a photo is made smaller by 1 to {LARGEST_SCALE}, not by {self.scale:g}")
        if self.seed < 0:
            raise DegradeError(f"a seed is not negative, as {self.seed} is")

    @property
    def label(self) -> str:
        return f"{self.preset}_x{self.scale:g}"


@dataclass(frozen=True, slots=True)
class Degraded:
    """A picture and what was done to it."""

    picture: Picture
    degradation: Degradation


def degrade(picture: Picture, name: str, job: Job) -> Degraded:
    """The degraded version; parameters depend on name, scale and seed. For whole scales the photo is cut to a multiple
    first, as benchmarks do, so that it fits its small version exactly."""
    height, width = picture.size.height, picture.size.width
    if job.scale.is_integer():
        height, width = (n - n % int(job.scale) for n in (height, width))
    size = Size(*(round(n / job.scale) for n in (height, width)))
    if min(size.height, size.width) < 1:
        raise ImageError(f"{name} is too small for 1/{job.scale:g} of its size")
    chosen = draw(job.preset, job.scale, seed_of(name, job.scale, job.seed), grey=picture.grey)
    small = chosen(picture.rgb()[:height, :width], size)
    alpha = picture.alpha
    if alpha is not None:
        inside = Image.fromarray(np.ascontiguousarray(alpha[:height, :width]))
        alpha = np.asarray(inside.resize((size.width, size.height), Image.Resampling.BOX))
    return Degraded(replace(picture, colour=small[..., 1:2] if picture.grey else small, alpha=alpha), chosen)


def degrade_file(source: Path, target: Path, job: Job) -> Size:
    """Reads a picture, writes the degraded one and, under the same name with .json, its parameters."""
    for path in (target, target.with_suffix(".json")):
        if path.resolve() == source.resolve():
            raise DegradeError(f"{path} is an input itself; give another output")
        if path.exists() and not job.overwrite:
            raise ImageError(f"{path} exists; --overwrite replaces it")
    picture = images.read(source).eight()
    made = degrade(picture, source.name, job)
    size = made.picture.size
    with images.Destination(target, size, overwrite=job.overwrite) as destination:
        destination.write(images.Layout.of(made.picture), [(made.picture.colour, made.picture.alpha)])
    told = {"input": source.name, "width": size.width, "height": size.height} | made.degradation.to_dict()
    files.write_text(target.with_suffix(".json"), json.dumps(told, indent=2) + "\n")
    return size


def originals(paths: Iterable[Path]) -> list[Path]:
    """The paths without those that look like degraded versions of others among them."""
    paths = list(paths)
    stems = {(p.parent, p.stem) for p in paths}
    return [p for p in paths if not ((made := RESULT.fullmatch(p.stem)) and (p.parent, made[1]) in stems)]
