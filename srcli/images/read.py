"""Bytes to pictures, with Pillow."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from srcli.errors import SrcliError
from srcli.images.picture import Picture

ORIENTATION = 0x0112
# Formats that are decoded; Pillow's others reach for programs (EPS) or are containers of drawings.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "JPEG2000", "TGA", "ICO")
DESCRIPTIVE = frozenset(
    ExifTags.Base[name]
    for name in (
        "ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "HostComputer", "Copyright",
        "XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject", "Rating",
    )
)  # fmt: skip
SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".ppm", ".pgm",
    ".pbm", ".pnm", ".jfif", ".jp2", ".j2k", ".tga", ".ico",
})  # fmt: skip


OLD_PIXELS = frozenset({0xA002, 0xA003, 0xA005})  # PixelXDimension, PixelYDimension, interoperability pointer


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
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            deep = _depth(image, data) > 8
            image.load()
            picture = from_pil(image)
            if deep and not any("8 bits" in note for note in picture.notes):  # Pillow has cut them already
                picture = replace(picture, notes=(*picture.notes, "16-bit pixels are reduced to 8 bits"))
            return picture
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a known format") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from None
    except MemoryError:
        raise
    except Exception as error:
        # Decoders meet hostile bytes with any exception there is.
        raise ImageError(f"{name} is damaged: {str(error) or type(error).__name__}") from None


def _depth(image: Image.Image, data: bytes) -> int:
    """Bits of a channel in the file, as far as PNG and TIFF say."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (8,)))  # type: ignore[attr-defined]  # BitsPerSample
    return 8


def from_pil(image: Image.Image) -> Picture:
    """A Pillow image as a picture: oriented, palette resolved, 16-bit and float reduced to 8 bits with a note."""
    notes = []
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # the second view of a phone's photo is no frame
        notes.append("only the first frame is used")
    icc, exif = image.info.get("icc_profile"), None
    try:
        exif = description(image)
    except Exception as error:  # cameras write tags of any type
        notes.append(f"the EXIF data cannot be kept: {error}")
    image = ImageOps.exif_transpose(image)
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
    return Picture(np.ascontiguousarray(colour), alpha, icc, exif, tuple(notes))


def description(image: Image.Image) -> bytes | None:
    """The EXIF of an image without what describes its old pixels: orientation, size, thumbnail, layout of a TIFF."""
    source, kept = image.getexif(), Image.Exif()
    for tag in DESCRIPTIVE & set(source):
        kept[tag] = source[tag]
    found = len(kept) > 0
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if entries := {tag: v for tag, v in source.get_ifd(directory).items() if tag not in OLD_PIXELS}:
            kept.get_ifd(directory).update(entries)
            found = True
    return kept.tobytes() if found else None


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16-bit integers by their range; wider integers and floats by the least of 1 (floats), 255, 65535 that holds them,
    or else by their largest value."""
    values = np.asarray(image).astype(np.float64)
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:
        largest = float(np.max(values, initial=0.0, where=np.isfinite(values)))
        top = next((t for t in (1.0, 255.0, 65535.0)[image.mode != "F" :] if largest <= t), largest)
    return Image.fromarray(np.rint(np.nan_to_num(values).clip(0, top) * (255 / top)).astype(np.uint8))
