"""Read pictures: recognise a file's format and decode it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from srcli.images.formats import psd, raster, raw, tiff
from srcli.images.formats.jxl.boxes import is_jxl
from srcli.images.formats.jxl.picture import JxlSource
from srcli.images.formats.pdf import source as pdf
from srcli.images.picture import Picture
from srcli.images.source import MAX_PIXELS, ImageError, Missing, Source

# Of files in folders. Content decides what a file is; .rgb and .bw are left out, as they are mostly bare pixels, and so
# are PDFs, which are mostly no scans.
SUFFIXES = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".ppm",
    ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".tga", ".ico", ".heic", ".heif", ".jxl", ".psd", ".psb",
    ".qoi", ".dds", ".pcx", ".sgi", *raw.SUFFIXES,
})  # fmt: skip

OWN: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, str, int], Source]], ...] = (
    (is_jxl, JxlSource),
    (psd.is_psd, psd.PsdSource),
    (tiff.is_tiff, tiff.TiffSource),
    (raster.is_pfm, raster.PfmSource),
    (pdf.is_pdf, pdf.PdfSource),
)  # formats that Pillow does not read, or only in part


def read(path: Path, frame: int = 0, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture from a file.

    frame: the frame or page, from 0.
    max_pixels: larger pictures are refused before decoding.

    Raises ImageError.
    """
    return open_file(path, max_pixels).picture(frame)


def open_file(path: Path, max_pixels: int = MAX_PIXELS) -> Source:
    """Open a file, whose frames are decoded on request.

    max_pixels: larger pictures are refused before decoding.

    Raises ImageError.
    """
    return open_bytes(file_bytes(path), str(path), max_pixels)


def file_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises ImageError if it is missing, unreadable or empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Missing(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder, not a picture") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    if not data:
        raise ImageError(f"{path} is empty")
    return data


def open_bytes(data: bytes, name: str = "the data", max_pixels: int = MAX_PIXELS) -> Source:
    """Open encoded bytes like `open_file`.

    name: for messages; its suffix identifies raw camera files.
    """
    suffix = Path(name).suffix.lower()
    if raw.is_raw(data, suffix):
        return raw.RawSource(data, name, max_pixels)
    if raw.is_heic(data):
        raw.need_heic(name)
        return raster.RasterSource(data, name, max_pixels, formats=("HEIF",))
    for belongs, kind in OWN:
        if belongs(data):
            return kind(data, name, max_pixels)
    return raster.RasterSource(data, name, max_pixels)


def decode(data: bytes, name: str = "the data") -> Picture:
    """Decode the first picture in encoded bytes. Raises ImageError."""
    return open_bytes(data, name).picture()


def from_pil(image: Image.Image) -> Picture:
    """Convert a Pillow image to a picture, upright and without palette."""
    return raster.from_pil(image)
