"""Files to pictures: what a file is, who decodes it, and one sentence where nobody can."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from srcli.images.formats import raster, raw, tiff
from srcli.images.picture import Picture
from srcli.images.source import MAX_PIXELS, ImageError, Source

SUFFIXES = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".ppm",
    ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".tga", ".ico", ".heic", ".heif", *raw.SUFFIXES,
})  # fmt: skip


def read(path: Path, frame: int = 0, max_pixels: int = MAX_PIXELS) -> Picture:
    """A picture of a file, upright: its first frame or page, or another by number from 0."""
    return open_file(path, max_pixels).picture(frame)


def open_file(path: Path, max_pixels: int = MAX_PIXELS) -> Source:
    """A file's frames, decoded when they are asked for. Errors name the file and say what is wrong.

    max_pixels: pixels of a picture above which it is refused before decoding.
    """
    return open_bytes(file_bytes(path), str(path), max_pixels)


def file_bytes(path: Path) -> bytes:
    """The contents of a file that is there and is not empty."""
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
    return data


def open_bytes(data: bytes, name: str = "the data", max_pixels: int = MAX_PIXELS) -> Source:
    """The frames in encoded bytes; `name` is for messages, and its suffix tells camera files apart."""
    suffix = Path(name).suffix.lower()
    if raw.is_raw(data, suffix):
        return raw.RawSource(data, name, max_pixels)
    if raw.is_heic(data):
        raw.need_heic(name)
        return raster.RasterSource(data, name, max_pixels, formats=("HEIF",))
    if tiff.is_tiff(data):
        return tiff.TiffSource(data, name, max_pixels)
    if raster.is_pfm(data):
        return raster.PfmSource(data, name, max_pixels)
    return raster.RasterSource(data, name, max_pixels)


def decode(data: bytes, name: str = "the data") -> Picture:
    """The first picture in encoded bytes."""
    return open_bytes(data, name).picture()


def from_pil(image: Image.Image) -> Picture:
    """A Pillow image as a picture: upright, palette resolved."""
    return raster.from_pil(image)
