"""Pictures to files: under a temporary name first, so that a half-written file never has the final name."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

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
    the format, its limits, the folder and the right to write. Leaving it without `write` leaves nothing behind.

    overwrite: whether a file that has the name by then is replaced.
    """

    def __init__(self, path: Path, size: Size, *, overwrite: bool = True) -> None:
        self.path, self.size, self.overwrite = path, size, overwrite
        self.part: Path | None = None

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
            handle, name = tempfile.mkstemp(".part", ".srcli-", self.path.parent)
            os.close(handle)
            self.part = Path(name)
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
        except MemoryError:
            raise
        except Exception as error:  # encoders, too, have errors of every kind
            raise ImageError(f"cannot make a {self.kind} of {self.path.name}: {error}") from None
        assert self.part is not None, "entered before"
        if not self.overwrite and os.path.lexists(self.path):
            raise ImageError(f"{self.path} has appeared in the meantime; --overwrite replaces it")
        try:
            self.part.write_bytes(buffer.getbuffer())
            self.part.chmod(0o666 & ~_umask())
            self.part.replace(self.path)
        except OSError as error:
            raise ImageError(f"cannot write {self.path}: {error.strerror or error}") from None
        return notes + lost

    def _clean(self) -> None:
        if self.part is not None:
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
        if "exif" in options:
            options["exif"], lost = _without_directories(options["exif"])
            notes += lost
    return options, notes


def _without_directories(exif: bytes) -> tuple[bytes, tuple[str, ...]]:
    """EXIF for libtiff, which does not write the directories of the camera and of GPS."""
    data = Image.Exif()
    data.load(exif)
    held = [tag for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) if tag in data]
    for tag in held:
        del data[tag]
    return data.tobytes(), ("TIFF keeps no camera settings and no position: left out of the EXIF data",) if held else ()


def _umask() -> int:
    """The process's mask for new files; there is no way to ask but to set it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
