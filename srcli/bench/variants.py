"""What can be scored: models, the bicubic baseline, pictures that another tool has made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from srcli import images
from srcli.errors import SrcliError
from srcli.geometry import Size, Target
from srcli.images import folders
from srcli.images.picture import Picture
from srcli.pipelines.base import Sampling
from srcli.upscaler import Upscaler


class PairError(SrcliError):
    """Pictures that cannot be scored against each other; they are never resized to fit."""


class Variant(Protocol):
    """Something that makes a large picture of a small one."""

    @property
    def label(self) -> str: ...

    def make(self, case: Case) -> list[Made]:
        """Results of the size of the case's reference: one, or one per seed. Raises SrcliError with one sentence."""


@dataclass(frozen=True, slots=True)
class Case:
    """A photo (H, W, 3), cut to a multiple of the scale, and the small picture of it; uint8."""

    name: str
    scale: int
    reference: np.ndarray
    low: np.ndarray


@dataclass(frozen=True, slots=True)
class Made:
    """A result, uint8 RGB (H, W, 3), and the share of its tiles that were not finite at first."""

    image: np.ndarray
    not_finite: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """A model and how it chooses among the pictures that fit. `seeds`: how many samples are made of each picture."""

    upscaler: Upscaler
    sampling: Sampling
    seeds: int = 1

    @property
    def label(self) -> str:
        name, s = self.upscaler.entry.name, self.sampling
        if "prior" in self.upscaler.entry.parts:
            return f"{name} detail {s.detail:g}"
        return f"{name} tau {s.temperature:g}"

    def make(self, case: Case) -> list[Made]:
        height, width = case.reference.shape[:2]
        target, made = Target(width=width, height=height), []
        for number in range(self.seeds):
            sampling = replace(self.sampling, seed=self.sampling.seed + number)
            done = self.upscaler.run(Picture(case.low), target, sampling)
            made.append(Made(done.picture.colour, done.redone_tiles / done.tiles))
        return made


@dataclass(frozen=True, slots=True)
class Bicubic:
    """Pillow's bicubic, the field's baseline."""

    label: str = "bicubic"

    def make(self, case: Case) -> list[Made]:
        height, width = case.reference.shape[:2]
        return [Made(np.asarray(Image.fromarray(case.low).resize((width, height), Image.Resampling.BICUBIC)))]


class Ready:
    """Pictures that another tool has made, matched by name."""

    def __init__(self, folder: Path, label: str | None = None) -> None:
        if not folder.is_dir():
            raise SrcliError(f"{folder} is not a folder")
        self.folder, self.label = folder, label or folder.name
        self.files: dict[str, list[Path]] = {}
        for path in folders.pictures(folder):
            self.files.setdefault(folders.key(path), []).append(path)

    def make(self, case: Case) -> list[Made]:
        return [Made(self.find(case.name, Size(*case.reference.shape[:2]), grey=is_grey(case.reference)))]

    def find(self, name: str, size: Size, *, grey: bool) -> np.ndarray:
        """The picture of that name as uint8 RGB. Raises PairError unless it has that size, and colour where wanted."""
        files = self.files.get(folders.key(Path(name)), [])
        if len(files) != 1:
            raise PairError(f"{name}: {len(files) or 'no'} pictures of that name in {self.folder}")
        picture = images.read(files[0])
        if picture.size != size:
            raise PairError(f"{files[0]} has {picture.size} pixels, not {size}")
        if picture.grey and not grey:
            raise PairError(f"{files[0]} is grey, its original is not")
        return picture.rgb()


def is_grey(image: np.ndarray) -> bool:
    """Whether the three channels of uint8 RGB are the same."""
    return bool((image == image[..., :1]).all())
