"""What can be scored: models, the bicubic baseline, and pictures made by other tools."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from srcli import images
from srcli.errors import SrcliError
from srcli.geometry import Size, Target
from srcli.images import folders
from srcli.images.picture import Picture
from srcli.tiling.model import Sampling
from srcli.tiling.strips import NotFinite
from srcli.upscaler import Upscaler

TINT = 2.0  # mean range of the channels above which a picture counts as coloured


class PairError(SrcliError):
    """Pictures that cannot be scored against each other. They are never resized to fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A photo and its low-resolution version.

    reference: uint8 (H, W, 3), sides that are multiples of the scale.
    low: uint8 (H / scale, W / scale, 3).
    """

    name: str
    scale: int
    reference: np.ndarray
    low: np.ndarray


@dataclass(frozen=True, slots=True)
class Made:
    """A result.

    image: uint8 RGB (H, W, 3); None if it is not finite even in float32.
    exploded: whether some values were not finite at first, or the inverse of a flow exploded.
    """

    image: np.ndarray | None
    exploded: bool = False


class Variant(Protocol):
    """Something that upscales a picture."""

    @property
    def label(self) -> str: ...

    def make(self, case: Case) -> list[Made]:
        """Results of the reference's size: one, or one per seed. Raises SrcliError."""

    def fingerprint(self) -> dict[str, Any]:
        """Everything that the results depend on."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its sampling.

    seeds: number of samples per picture.
    """

    upscaler: Upscaler
    sampling: Sampling
    seeds: int = 1

    @property
    def label(self) -> str:
        name, s = self.upscaler.entry.name, self.sampling
        if self.upscaler.choices:
            return name
        if self.upscaler.has("steps"):
            colour = f" {s.colour}" if s.colour else ""
            return f"{name} steps {s.steps}" + (f" detail {s.detail:g}" if s.detail != 1 else "") + colour
        if self.upscaler.has("detail"):
            return f"{name} detail {s.detail:g}"
        if s.denoise is not None:
            return f"{name} denoise {s.denoise:g}"
        return f"{name} tau {'own' if s.temperature is None else f'{s.temperature:g}'}"

    def make(self, case: Case) -> list[Made]:
        height, width = case.reference.shape[:2]
        low = Picture(case.low[..., :1] if is_grey(case.low) else case.low)
        target, made = Target(width=width, height=height, fit="stretch"), []
        for number in range(self.seeds):
            try:
                done = self.upscaler.run(low, target, replace(self.sampling, seed=self.sampling.seed + number))
                made.append(Made(done.picture.rgb(), done.redone_tiles + done.exploded > 0))
            except NotFinite:
                made.append(Made(None, True))
        return made

    def fingerprint(self) -> dict[str, Any]:
        chosen = self.upscaler.runtime
        return {
            "weights": self.upscaler.digests(),
            "device": chosen.device.type,
            "precision": chosen.precision,
            "seed": self.sampling.seed,
            "seeds": self.seeds,
        }


@dataclass(frozen=True, slots=True)
class Bicubic:
    """Pillow's bicubic upscaling, the usual baseline."""

    label: str = "bicubic"

    def make(self, case: Case) -> list[Made]:
        height, width = case.reference.shape[:2]
        return [Made(np.asarray(Image.fromarray(case.low).resize((width, height), Image.Resampling.BICUBIC)))]

    def fingerprint(self) -> dict[str, Any]:
        return {}


class Ready:
    """Pictures made by another tool, matched by name."""

    def __init__(self, folder: Path, label: str | None = None) -> None:
        if not folder.is_dir():
            raise SrcliError(f"{folder} is not a folder")
        self.folder, self.label = folder, label or folder.resolve().name
        self.files = folders.pictures(folder)

    def make(self, case: Case) -> list[Made]:
        return [Made(self.find(case.name, Size(*case.reference.shape[:2]), case.reference))]

    def fingerprint(self) -> dict[str, Any]:
        return {"folder": str(self.folder.resolve()), "files": digest(self.files)}

    def find(self, name: str, size: Size, original: np.ndarray) -> np.ndarray:
        """The picture of that name as uint8 RGB.

        Raises PairError unless it has this size, is grey or coloured like the original, and opaque.
        """
        files = folders.find(name, self.files)
        if len(files) != 1:
            raise PairError(f"{name}: {len(files) or 'no'} pictures of that name in {self.folder}")
        picture = opaque(files[0])
        if picture.size != size:
            raise PairError(f"{files[0]} has {picture.size} pixels, not {size}")
        if is_grey(picture.rgb()) and not is_grey(original):
            raise PairError(f"{files[0]} is grey, but its original is not")
        if is_grey(original) and tint(picture.rgb()) > TINT:
            raise PairError(f"{files[0]} has colour, but its original is grey")
        return picture.rgb()


def distinct(variants: Sequence[Variant]) -> list[Variant]:
    """Variants with distinct labels: folders of the same name are labelled by path, repeated models are dropped.

    Raises PairError if two labels are still equal.
    """
    made: dict[str, Variant] = {}
    names = [v.label for v in variants]
    for variant in variants:
        if isinstance(variant, Ready) and names.count(variant.label) > 1:
            variant.label = str(variant.folder)
        if variant.label in made and not isinstance(variant, Model):
            raise PairError(f"two inputs have the label {variant.label!r}; rename one of the folders")
        made.setdefault(variant.label, variant)
    return list(made.values())


def opaque(path: Path) -> Picture:
    """Read a picture. Raises PairError if it has transparency, since the background is not in the file."""
    picture = images.read(path)
    if picture.alpha is not None and (picture.alpha < 255).any():
        raise PairError(f"{path} has transparency; put it on a background first")
    return picture


def digest(files: Iterable[Path]) -> str:
    """A digest of the names, sizes and times of files."""
    facts = ((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return hashlib.sha256(repr(list(facts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def is_grey(image: np.ndarray) -> bool:
    """Whether the three channels of uint8 RGB are the same."""
    return bool((image == image[..., :1]).all())


def tint(image: np.ndarray) -> float:
    """Mean range of the channels of uint8 RGB."""
    return float((image.max(2) - image.min(2)).mean())
