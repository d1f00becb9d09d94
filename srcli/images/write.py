"""Pictures to files: under a temporary name first, so that a half-written file never has the final name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image

from srcli import files
from srcli.geometry import Size
from srcli.images import encode
from srcli.images.encode import ANIMATED, FORMATS, HOLDS, Style
from srcli.images.formats import tiff_write
from srcli.images.layout import Band, Layout, fitted
from srcli.images.metadata import Metadata, Provenance, finished, stripped
from srcli.images.picture import Picture
from srcli.images.source import ImageError

T = TypeVar("T")
NO_METADATA = frozenset({"BMP", "PPM", "PFM", "GIF"})


def writable_suffix(suffix: str, *, animated: bool = False) -> str:
    """The suffix that a picture read from `suffix` is written with: its own, or .png. A still GIF becomes a PNG, which
    keeps all its colours."""
    suffix = suffix.lower()
    if suffix not in FORMATS or (suffix == ".gif" and not animated):
        return ".png"
    return suffix


def kind_of(path: Path) -> str:
    """The format that a name asks for. Raises ImageError."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ImageError(f"cannot write {path.suffix or 'a file without suffix'}; use {', '.join(sorted(FORMATS))}")
    return kind


def check_size(kind: str, size: Size) -> None:
    """Raises ImageError for a result that the format does not hold."""
    longest = HOLDS[kind].longest
    if max(size.width, size.height) > longest:
        raise ImageError(f"{kind} holds at most {longest} pixels a side, the result has {size}; use PNG")


class Destination:
    """A file that is about to be written. Entering it finds out what can go wrong before the long computation: the
    format, its limits, the folder, the right to write, and whether another process makes the same file now. Leaving it
    without a finished `write` leaves nothing behind.

    overwrite: whether a file that has the name by then is replaced. before: see `files.Claim.finish`.
    """

    def __init__(
        self, path: Path, size: Size, *, overwrite: bool = True, style: Style | None = None,
        before: Callable[[Path], None] | None = None,
    ) -> None:  # fmt: skip
        self.path, self.size, self.overwrite, self.style = path, size, overwrite, style or Style()
        self.before = before
        self.claim = files.Claim(path)

    def __enter__(self) -> Destination:
        self.kind = kind_of(self.path)
        check_size(self.kind, self.size)
        self._made = [p for p in (self.path.parent, *self.path.parent.parents) if not p.exists()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.exists()  # a name that is too long is an error here
            self.file = self.claim.take()
        except OSError as error:
            self._leave()
            raise ImageError(f"cannot write {self.path}: {error.strerror or error}") from None
        except files.Taken:
            self._leave()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def write(self, layout: Layout, bands: Iterable[Band]) -> tuple[str, ...]:
        """Encode a picture whose metadata is finished, and give the file its name. Returns notes about what the format
        could not keep."""
        layout, fit, notes = self._fitted(layout)
        notes += self._encoded(lambda file: encode.still(self.kind, file, layout, map(fit, bands), self.style))
        return tuple(notes)

    def write_frames(
        self, frames: Iterator[tuple[Layout, Iterable[Band]]], loop: int | None, max_bytes: int
    ) -> tuple[str, ...]:
        """Frames of an animation, or pages of a TIFF of at most `max_bytes` bytes."""
        notes: list[str] = []

        def each() -> Iterator[tuple[Layout, Iterable[Band]]]:
            for layout, bands in frames:
                held, fit, lost = self._fitted(layout)
                notes.extend(lost)
                yield held, map(fit, bands)

        if self.kind == "TIFF":
            more = self._encoded(lambda file: tiff_write.write(file, each(), max_bytes, self.style.level))
        else:
            more = self._encoded(lambda file: encode.animation(self.kind, file, each(), loop, self.style))
        return tuple(dict.fromkeys([*notes, *more]))

    def _fitted(self, layout: Layout) -> tuple[Layout, Callable[[Band], Band], list[str]]:
        held, fit, notes = fitted(layout, self.kind, HOLDS[self.kind], self.style.background)
        data = layout.metadata
        if self.kind in NO_METADATA and (data.xmp or data.iptc or data.exif):
            notes.append(f"{self.kind} holds no metadata: left out")
        return held, fit, notes

    def _encoded(self, work: Callable[[BinaryIO], list[str]]) -> list[str]:
        """Run an encoder on the temporary file, then rename it."""
        try:
            notes = work(self.file)
            self.file.flush()
        except (ImageError, MemoryError):
            raise
        except OSError as error:
            raise ImageError(f"cannot write {self.path}: {error.strerror or error}") from None
        except (ValueError, TypeError, RuntimeError, KeyError) as error:  # encoders' own
            from srcli.runtime import is_out_of_memory

            if is_out_of_memory(error):
                raise
            raise ImageError(f"cannot make a {self.kind} of {self.path.name}: {error}") from error
        if not self.overwrite and os.path.lexists(self.path):
            raise ImageError(f"{self.path} has appeared in the meantime; --overwrite replaces it")
        try:
            self.claim.finish(self.before)
        except OSError as error:
            raise ImageError(f"cannot write {self.path}: {error.strerror or error}") from None
        return notes

    def _leave(self) -> None:
        self.claim.drop()
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty: the result is in it
                folder.rmdir()


def can_animate(path: Path, *, pages: bool) -> bool:
    """Whether the format of a name holds the frames of an animation, or pages."""
    kind = FORMATS.get(path.suffix.lower())
    return kind == "TIFF" if pages else kind in ANIMATED


def write(picture: Picture, path: Path, style: Style | None = None) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix. Returns notes about what the format could not keep."""
    layout = Layout.of(picture)
    with Destination(path, picture.size, style=style) as destination:
        return destination.write(layout, [(picture.colour, picture.alpha)])


def described(
    data: Metadata, size: Size, provenance: Provenance | None, *, strip: bool
) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata that a result is to have, and notes."""
    return finished(stripped(data) if strip else data, size, provenance)


def to_pil(picture: Picture) -> Image.Image:
    """A picture as L, LA, RGB or RGBA of 8 bits, with its profile."""
    picture = picture.eight()
    planes = [picture.colour] if picture.alpha is None else [picture.colour, picture.alpha[..., None]]
    pixels = np.concatenate(planes, axis=2)
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    return image
