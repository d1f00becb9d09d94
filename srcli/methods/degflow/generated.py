"""Low-resolution pictures of photos drawn from a generator of degradations (DegFlow), kept in a folder.

Every photo is generated at a few scales between 1 and 4 that no other photo has, so that training sees them all. The
pictures have the photo's size; crops are made smaller when they are drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from srcli import __version__, files
from srcli.degradation.levels import taken
from srcli.degradation.synthetic import Jpeg, Noise
from srcli.images import Picture, write
from srcli.runtime import Runtime
from srcli.training.data.cameras import MARGIN
from srcli.training.data.photos import Photos, TrainingDataError

MANIFEST = "generated.json"
SPAN = (1.1, 4.0)  # of the scales
QUALITY = 85  # of JPEG, at least


@dataclass(frozen=True, slots=True)
class Version:
    """A degraded version of a photo: its scale, and its file, a picture of the photo's size."""

    scale: float
    path: Path


class Generator(Protocol):
    """What generates degraded pictures."""

    @property
    def runtime(self) -> Runtime:
        """Where it runs."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Of its weights, by role."""

    def told(self) -> dict[str, Any]:
        """What decides the results beside the photo and the scale."""

    def degrade(self, picture: Picture, scales: Sequence[float], /) -> Iterator[Picture]:
        """The photo at each scale, of its own size."""


class Generated:
    """Photos and their generated versions in a folder, which are made where they are missing.

    generator: makes the versions.
    each: versions of a photo.
    grain: what no photo tells is drawn anew over each crop: noise of up to so many 8-bit steps and JPEG of quality 85
    and more, as of the small picture; none with 0.

    The folder's manifest says what made it, weights by their values and not by their files; a folder of something else
    is an error, one that was interrupted is completed.
    """

    def __init__(
        self, photos: Photos, folder: Path, generator: Generator, *, each: int = 4, grain: float = 0.0,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:  # fmt: skip
        self.photos, self.folder, self.grain = photos, folder, grain
        self.files, self.held, self.images = photos.files, photos.held, photos.images
        self.versions = [_versions(folder, image, each) for image in photos.images]
        self.made_by: dict[str, Any] = {
            "version": __version__, "each": each, "scales": list(SPAN), "precision": generator.runtime.precision,
        } | generator.told() | {"weights": generator.digests}  # fmt: skip
        self._claim()
        for number, (image, versions) in enumerate(zip(photos.images, self.versions, strict=True)):
            _make(image, [v for v in versions if not v.path.is_file()], generator)
            progress(number + 1, len(photos.images))

    def __len__(self) -> int:
        return len(self.photos)

    def fingerprint(self) -> str:
        """That of the photos, a digest of what made the versions, and the grain."""
        digest = hashlib.sha256(json.dumps(self.made_by, sort_keys=True).encode()).hexdigest()[:16]
        grain = f" grain {self.grain:g}" if self.grain else ""
        return f"{self.photos.fingerprint()} generated {digest}{grain}"

    def pair(self, rng: np.random.Generator, side: Callable[[float], int]) -> tuple[np.ndarray, np.ndarray, float]:
        """The same random square of a photo and of one of its versions, turned alike at random, uint8 (n, n, 3), and
        the version's scale. side: pixels of the square at a scale, cut to the photo."""
        index = rng.choice(len(self.images), p=self.photos.share)
        shortest = min(self.images[index].shape[:2])
        fitting = [v for v in self.versions[index] if side(v.scale) <= shortest] or self.versions[index][:1]
        version = fitting[rng.integers(len(fitting))]
        length = min(side(version.scale), shortest)
        drawn = min(length + 2 * (MARGIN if self.grain else 0), shortest)  # filters of the grain end outside
        y, x = (int(rng.integers(n - drawn + 1)) for n in self.images[index].shape[:2])
        wide = np.s_[y : y + drawn, x : x + drawn]
        lower = np.asarray(Image.open(version.path).convert("RGB"))[wide]
        if self.grain:
            lower = self._grained(lower, version.scale, rng)
        both = np.concatenate([self.images[index][wide], lower], axis=2)
        y, x = (int(v) for v in rng.integers(drawn - length + 1, size=2))
        piece = both[y : y + length, x : x + length]
        flips, turned = rng.random(2) < 0.5, rng.random() < 0.5
        piece = piece[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
        piece = np.ascontiguousarray(piece.swapaxes(0, 1) if turned else piece)
        return piece[..., :3], piece[..., 3:], version.scale

    def _grained(self, lower: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
        """The picture and what noise and JPEG change in it. It is not resampled once more, which would soften it."""
        noise = Noise(
            kind="gaussian", sigma=float(rng.uniform(0, self.grain)), grey=False, seed=int(rng.integers(2**31))
        )
        change = taken(lower, scale, noise, Jpeg(round(rng.uniform(QUALITY, 100)), halved=False)).astype(np.int16)
        return (lower + change - taken(lower, scale, None, None)).clip(0, 255).astype(np.uint8)

    def _claim(self) -> None:
        """Write the manifest, or see that the one there is the same. Raises TrainingDataError."""
        path = self.folder / MANIFEST
        if path.is_file():
            try:
                there = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                there = None
            if there != self.made_by:
                raise TrainingDataError(f"{self.folder} holds pictures of another generator; give another --cache")
            return
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise TrainingDataError(f"{self.folder} holds something else already; give another --cache")
        files.make_folder(self.folder)
        files.write_text(path, json.dumps(self.made_by, indent=2) + "\n")


def _versions(folder: Path, image: np.ndarray, each: int) -> list[Version]:
    """By scale; names and scales are functions of the photo's pixels, spread evenly over the whole range."""
    name = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()[:16]
    rng = np.random.default_rng(int(name, 16))
    low, high = SPAN
    scales = [round(low + (high - low) * (n + float(rng.random())) / each, 3) for n in range(each)]
    return [Version(scale, folder / f"{name}_x{scale:g}.png") for scale in scales]


def _make(image: np.ndarray, versions: list[Version], generator: Generator) -> None:
    if versions:
        picture = Picture(image)
        made = generator.degrade(picture, [v.scale for v in versions])
        for version, lower in zip(versions, made, strict=True):
            write(replace(lower, metadata=picture.metadata), version.path)
