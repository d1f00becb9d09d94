"""Bytes to pictures, with Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from srcli.errors import SrcliError
from srcli.images.picture import Picture

ORIENTATION = 0x0112
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".ppm", ".pgm"})


class ImageError(SrcliError):
    """A file that is not a picture that can be read or written."""


def read(path: Path) -> Picture:
    """The picture in a file, upright, 8 bits a channel. Errors name the file and say what is wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    if not data:
        raise ImageError(f"{path} is empty")
    return decode(data, str(path))


def decode(data: bytes, name: str = "the data") -> Picture:
    """The picture in encoded bytes; `name` is for error messages."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return from_pil(image)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a known format") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ImageError(f"{name} is damaged: {error}") from None


def from_pil(image: Image.Image) -> Picture:
    """A Pillow image as a picture: oriented, palette resolved, 16-bit and float reduced to 8 bits with a note."""
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("only the first frame is used")
    icc, exif = image.info.get("icc_profile"), image.getexif()
    image = ImageOps.exif_transpose(image)
    exif.pop(ORIENTATION, None)
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        notes.append(f"{image.mode} pixels are reduced to 8 bits")
        image = _to_8_bit(image)
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        if image.mode == "CMYK":
            notes.append("CMYK is converted to RGB")
            icc = None  # it describes the ink, not the RGB
        image = image.convert("RGB")
    transparent = image.has_transparency_data
    if image.mode in ("1", "L", "LA", "La"):
        pixels = np.asarray(image.convert("LA" if transparent else "L"))
    else:
        pixels = np.asarray(image.convert("RGBA" if transparent else "RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colour, alpha = (pixels[..., :-1], pixels[..., -1]) if transparent else (pixels, None)
    return Picture(np.ascontiguousarray(colour), alpha, icc, exif.tobytes() if len(exif) else None, tuple(notes))


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16-bit integers by their range, floats as 0 to 1 (or 0 to 255 where values exceed 1)."""
    values = np.asarray(image).astype(np.float64)
    top = 65535.0
    if image.mode == "F":
        top = 1.0 if np.nanmax(values, initial=0.0) <= 1 else 255.0
    return Image.fromarray(np.rint(np.nan_to_num(values).clip(0, top) * (255 / top)).astype(np.uint8))
