"""Pictures to files: under a temporary name first, so that a half-written file never has the final name."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from srcli.geometry import Size
from srcli.images.picture import Picture
from srcli.images.read import ImageError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
NO_ALPHA = frozenset({"JPEG", "BMP"})
NO_METADATA = frozenset({"BMP"})
LARGEST = {"JPEG": 65500, "WEBP": 16383}  # pixels a side
JPEG_SEGMENT = 65533 - 6  # bytes of EXIF that fit beside its marker


def writable_suffix(suffix: str) -> str:
    """The suffix that a picture read from `suffix` is written with: its own, or .png."""
    return suffix.lower() if suffix.lower() in FORMATS else ".png"


class Destination:
    """A file that is about to be written. Entering it finds out what can go wrong before the long computation:
    the format, its limits, the folder and the right to write. Leaving it without `write` leaves nothing behind."""

    def __init__(self, path: Path, size: Size) -> None:
        self.path, self.size = path, size
        self.part = path.with_name(f".srcli-{os.getpid()}.part")

    def __enter__(self) -> Destination:
        kind = FORMATS.get(self.path.suffix.lower())
        if kind is None:
            known = ", ".join(sorted(FORMATS))
            raise ImageError(f"cannot write {self.path.suffix or 'a file without suffix'}; use {known}")
        largest = LARGEST.get(kind, 2**31)
        if max(self.size.width, self.size.height) > largest:
            raise ImageError(f"{kind} holds at most {largest} pixels a side, the result has {self.size}; use PNG")
        self.kind = kind
        self._made = [p for p in (self.path.parent, *self.path.parent.parents) if not p.exists()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.exists()  # a name that is too long is an error here
            self.part.touch()
        except OSError as error:
            self._clean()
            raise ImageError(f"cannot write {self.path}: {error.strerror or error}") from None
        return self

    def __exit__(self, *error: object) -> None:
        self._clean()

    def write(self, picture: Picture, quality: int = 95) -> tuple[str, ...]:
        """Encode the picture and give it its name. Returns notes about what the format could not keep."""
        image = to_pil(picture)
        notes: tuple[str, ...] = ()
        if picture.alpha is not None and self.kind in NO_ALPHA:
            image, notes = _flatten(image), (f"{self.kind} has no transparency: flattened on white",)
        options, lost = _options(self.kind, picture, quality)
        buffer = io.BytesIO()
        try:
            image.save(buffer, self.kind, **options)
        except (OSError, ValueError) as error:
            raise ImageError(f"cannot make a {self.kind} of {self.path.name}: {error}") from None
        try:
            self.part.write_bytes(buffer.getbuffer())
            self.part.replace(self.path)
        except OSError as error:
            raise ImageError(f"cannot write {self.path}: {error.strerror or error}") from None
        return notes + lost

    def _clean(self) -> None:
        with contextlib.suppress(OSError):
            self.part.unlink(missing_ok=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty: the result is in it
                folder.rmdir()


def write(picture: Picture, path: Path, *, quality: int = 95) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix. Returns notes about what the format could not keep."""
    with Destination(path, picture.size) as destination:
        return destination.write(picture, quality)


def to_pil(picture: Picture) -> Image.Image:
    """A picture as L, LA, RGB or RGBA, with its profile."""
    planes = [picture.colour] if picture.alpha is None else [picture.colour, picture.alpha[..., None]]
    pixels = np.concatenate(planes, axis=2)
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    return image


def _flatten(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image.convert("RGBA"))
    return flat.convert("L" if image.mode == "LA" else "RGB")


def _options(kind: str, picture: Picture, quality: int) -> tuple[dict, tuple[str, ...]]:
    options: dict = {}
    notes: tuple[str, ...] = ()
    if picture.icc and kind not in NO_METADATA:
        options["icc_profile"] = picture.icc
    if picture.exif and kind not in NO_METADATA:
        if kind == "JPEG" and len(picture.exif) > JPEG_SEGMENT:
            notes = ("the EXIF data is too long for JPEG and is left out",)
        else:
            options["exif"] = picture.exif
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality
    if kind == "JPEG" and quality >= 90:
        options["subsampling"] = 0
    if kind == "TIFF":
        options["compression"] = "tiff_adobe_deflate"
    return options, notes
