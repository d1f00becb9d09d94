"""Write pictures to temporary files that are renamed when complete: no half-written file gets the final name."""

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
from srcli.images.formats.jxl.picture import need_codec
from srcli.images.formats.pdf import source as pdf
from srcli.images.formats.pdf import write as pdf_write
from srcli.images.layout import Band, Layout, fitted
from srcli.images.metadata import Metadata, finished, stripped
from srcli.images.picture import Picture
from srcli.images.source import ImageError, NotWritten
from srcli.provenance import Facts

T = TypeVar("T")
NO_METADATA = frozenset({"BMP", "PPM", "PFM", "GIF", "PDF"})
WITH_IPTC = frozenset({"JPEG", "TIFF"})


def writable_suffix(suffix: str, *, animated: bool = False) -> str:
    """The suffix for the result of a file with `suffix`: the same, or .png if that cannot be written.

    A still GIF becomes a PNG, which can hold all colours.
    """
    suffix = suffix.lower()
    if suffix not in FORMATS or (suffix == ".gif" and not animated):
        return ".png"
    return suffix


def kind_of(path: Path) -> str:
    """The format of a file name. Raises ImageError for unknown suffixes."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ImageError(
            f"cannot write {path.suffix or 'files without a suffix'}; use one of {', '.join(sorted(FORMATS))}"
        )
    return kind


def check_size(kind: str, size: Size) -> None:
    """Raise ImageError if the format cannot hold a picture of this size."""
    longest = HOLDS[kind].longest
    if max(size.width, size.height) > longest:
        raise ImageError(f"{kind} can hold at most {longest} pixels per side, but the result has {size}; use PNG")


class Destination:
    """A file to be written, as a context manager.

    Entering it detects problems before the long computation: the format and its limits, the folder, permissions, and
    another process that makes the same file. Leaving it without a finished `write` leaves nothing behind.

    overwrite: whether to replace a file that exists when the result is finished.
    before: called with the complete temporary file just before it is renamed.
    """

    def __init__(
        self,
        path: Path,
        size: Size,
        *,
        overwrite: bool = True,
        style: Style | None = None,
        before: Callable[[Path], None] | None = None,
    ) -> None:
        self.path, self.size, self.overwrite, self.style = path, size, overwrite, style or Style()
        self.before = before
        self.claim = files.Claim(path)

    def __enter__(self) -> Destination:
        self.kind = kind_of(self.path)
        if self.kind == "JXL":
            need_codec(self.path.name)
        if self.kind == "PDF":
            pdf.need_packages(self.path.name)
        check_size(self.kind, self.size)
        self._made = [p for p in (self.path.parent, *self.path.parent.parents) if not p.exists()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.exists()  # raises if the name is too long
            self.file = self.claim.take()
        except OSError as error:
            self._leave()
            raise NotWritten(f"cannot write {self.path}: {error.strerror or error}") from None
        except files.Taken:
            self._leave()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def write(self, layout: Layout, bands: Iterable[Band]) -> tuple[str, ...]:
        """Encode a picture and rename the file. Returns notes about what the format could not hold."""
        layout, fit, notes = self._fitted(layout)
        if self.kind == "PDF":
            notes += self._encoded(lambda file: pdf_write.write(file, [(layout, map(fit, bands))], self.style))
        else:
            notes += self._encoded(lambda file: encode.still(self.kind, file, layout, map(fit, bands), self.style))
        return tuple(notes)

    def write_frames(
        self, frames: Iterator[tuple[Layout, Iterable[Band]]], loop: int | None, max_bytes: int
    ) -> tuple[str, ...]:
        """Like `write`, for frames of an animation or pages of a TIFF.

        loop: number of repeats, 0 for ever, None if not stated.
        max_bytes: upper bound on the bytes of all pixels, for TIFF.
        """
        notes: list[str] = []

        def each() -> Iterator[tuple[Layout, Iterable[Band]]]:
            for layout, bands in frames:
                target, fit, lost = self._fitted(layout)
                notes.extend(lost)
                yield target, map(fit, bands)

        if self.kind == "TIFF":
            more = self._encoded(lambda file: tiff_write.write(file, each(), max_bytes, self.style.level))
        elif self.kind == "PDF":
            more = self._encoded(lambda file: pdf_write.write(file, each(), self.style))
        else:
            more = self._encoded(lambda file: encode.animation(self.kind, file, each(), loop, self.style))
        return tuple(dict.fromkeys([*notes, *more]))

    def _fitted(self, layout: Layout) -> tuple[Layout, Callable[[Band], Band], list[str]]:
        target, fit, notes = fitted(layout, self.kind, HOLDS[self.kind], self.style.background)
        data = layout.metadata
        paged = self.kind == "PDF" and data.page is not None  # what a page has, PDF can hold
        if self.kind in NO_METADATA and not paged and (data.xmp or data.iptc or data.exif):
            notes.append(f"{self.kind} cannot hold metadata: left out")
        elif data.iptc and self.kind not in WITH_IPTC:
            notes.append(f"{self.kind} cannot hold an IPTC record: left out")
        return target, fit, notes

    def _encoded(self, work: Callable[[BinaryIO], list[str]]) -> list[str]:
        """Run an encoder on the temporary file, then rename it."""
        try:
            notes = work(self.file)
            self.file.flush()
        except (ImageError, MemoryError):
            raise
        except OSError as error:
            raise NotWritten(f"cannot write {self.path}: {error.strerror or error}") from None
        except (ValueError, TypeError, RuntimeError, KeyError) as error:  # exceptions of encoders
            from srcli.runtime import is_out_of_memory

            if is_out_of_memory(error):
                raise
            raise ImageError(f"cannot encode {self.path.name} as {self.kind}: {error}") from error
        if not self.overwrite and os.path.lexists(self.path):
            raise ImageError(f"{self.path} has been created in the meantime; use --overwrite to replace it")
        try:
            self.claim.finish(self.before)
        except OSError as error:
            raise NotWritten(f"cannot write {self.path}: {error.strerror or error}") from None
        return notes

    def _leave(self) -> None:
        self.claim.drop()
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty if the result is in it
                folder.rmdir()


def can_animate(path: Path, *, pages: bool) -> bool:
    """Whether the format of a file name can hold an animation, or pages."""
    kind = FORMATS.get(path.suffix.lower())
    return kind in ("TIFF", "PDF") if pages else kind in ANIMATED


def write(picture: Picture, path: Path, style: Style | None = None) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix. Returns notes about what the format could not hold."""
    layout = Layout.of(picture)
    with Destination(path, picture.size, style=style) as destination:
        return destination.write(layout, [(picture.colour, picture.alpha)])


def described(data: Metadata, size: Size, provenance: Facts | None, *, strip: bool) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of a result, and notes.

    data: metadata of the input.
    provenance: how the result was made, or None.
    strip: whether to leave out everything but the colour description.
    """
    return finished(stripped(data) if strip else data, size, provenance)


def to_pil(picture: Picture) -> Image.Image:
    """Convert a picture to a Pillow image in L, LA, RGB or RGBA, with its profile."""
    picture = picture.eight()
    planes = [picture.colour] if picture.alpha is None else [picture.colour, picture.alpha[..., None]]
    pixels = np.concatenate(planes, axis=2)
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    return image
