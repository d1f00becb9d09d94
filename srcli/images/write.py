"""Pictures to files: under a temporary name first, so that a half-written file never has the final name."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from srcli.images.picture import Picture
from srcli.images.read import ImageError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
NO_ALPHA = frozenset({"JPEG", "BMP"})
LARGEST = {"JPEG": 65535, "WEBP": 16383}


def writable_suffix(suffix: str) -> str:
    """The suffix that a picture read from `suffix` is written with: its own, or .png."""
    return suffix.lower() if suffix.lower() in FORMATS else ".png"


def write(picture: Picture, path: Path, *, quality: int = 95) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix. Returns notes about what the format could not keep."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ImageError(f"cannot write {path.suffix or 'a file without suffix'}; use {', '.join(sorted(FORMATS))}")
    largest = LARGEST.get(kind, 2**31)
    if max(picture.size.width, picture.size.height) > largest:
        raise ImageError(f"{kind} holds at most {largest} pixels a side, the result has {picture.size}; use PNG")
    image = to_pil(picture)
    notes: tuple[str, ...] = ()
    if picture.alpha is not None and kind in NO_ALPHA:
        image, notes = _flatten(image), (f"{kind} has no transparency: flattened on white",)
    buffer = io.BytesIO()
    image.save(buffer, kind, **_options(kind, picture, quality))
    _replace(path, buffer.getbuffer())
    return notes


def to_pil(picture: Picture) -> Image.Image:
    """A picture as L, LA, RGB or RGBA."""
    planes = [picture.colour] if picture.alpha is None else [picture.colour, picture.alpha[..., None]]
    pixels = np.concatenate(planes, axis=2)
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _flatten(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image.convert("RGBA"))
    return flat.convert("L" if image.mode == "LA" else "RGB")


def _options(kind: str, picture: Picture, quality: int) -> dict:
    options: dict = {}
    if picture.icc and kind != "BMP":
        options["icc_profile"] = picture.icc
    if picture.exif and kind != "BMP":
        options["exif"] = picture.exif
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality
    if kind == "JPEG" and quality >= 90:
        options["subsampling"] = 0
    if kind == "TIFF":
        options["compression"] = "tiff_adobe_deflate"
    return options


def _replace(path: Path, data: memoryview) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ImageError(f"cannot write {path}: {error.strerror or error}") from None
