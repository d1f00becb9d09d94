"""Read TIFF and BigTIFF with tifffile."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from srcli.images.colour import srgb
from srcli.images.formats import lab, raster
from srcli.images.metadata import ORIENTATION, Metadata, description
from srcli.images.old_pixels import upright_xmp
from srcli.images.picture import Picture
from srcli.images.source import ImageError, check_frame, check_size, decoding, upright

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PHOTOMETRIC = tifffile.PHOTOMETRIC
REDUCED, MASK = 1, 4  # bits of NewSubfileType
XMP, IPTC, ICC = 700, 33723, 34675
INCH, CENTIMETRE = 2, 3
BASE = {int(PHOTOMETRIC.RGB): 3, int(PHOTOMETRIC.YCBCR): 3, int(PHOTOMETRIC.SEPARATED): 4}  # colour channels
LABS = (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB)
JPEGS = (6, 7, 33007, 34892)  # compressions that carry their own colour model


def is_tiff(data: bytes) -> bool:
    return data[:4] in MAGIC


class TiffSource:
    """The pages of a TIFF, without thumbnails and masks."""

    animated = False
    loop: int | None = None

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        self.name, self.data, self.max_pixels = name, data, max_pixels
        with decoding(name):
            self.file = tifffile.TiffFile(io.BytesIO(data))
            pages = [self.file.pages[i].aspage() for i in range(len(self.file.pages))]
            self.pages = [p for p in pages if not int(p.subfiletype or 0) & (REDUCED | MASK)] or pages
            if not self.pages:
                raise ImageError(f"{name} has no pages")
        self.frames = len(self.pages)

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, self.frames)
        page = self.pages[frame]
        with decoding(self.name):
            check_size(self.name, page.imagewidth, page.imagelength, self.max_pixels)
            if page.photometric in (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW):
                raise ImageError(f"{self.name} holds raw sensor data; rename it to .dng and install srcli[raw]")
            return self._page(page, frame)

    def _page(self, page: tifffile.TiffPage, frame: int) -> Picture:
        described, notes = self._metadata(page)
        icc = _value(page, ICC)
        if page.photometric == PHOTOMETRIC.ITULAB or _loose_ycbcr(page):
            return self._by_pillow(frame, described)
        pixels, alpha_kind = _pixels(page)
        if page.photometric in LABS:
            colours, more = _from_lab(pixels[..., : _base(page)], signed=page.photometric == PHOTOMETRIC.CIELAB)
            pixels, icc, notes = np.concatenate([colours, pixels[..., _base(page) :]], axis=2), None, notes + more
        if page.photometric == PHOTOMETRIC.SEPARATED:
            inks = Image.fromarray(_eight(pixels[..., :4]), "CMYK")
            rgb, note = raster.cmyk_to_rgb(inks, icc)
            pixels, icc, notes = np.asarray(rgb), srgb(), (*notes, note)
        pixels, span, more = raster.stored(upright(pixels, int(_value(page, ORIENTATION) or 1)))
        colour, alpha = _split(pixels, alpha_kind, span)
        icc, profile_notes = raster.usable(icc, colour.shape[2])
        return Picture(
            np.ascontiguousarray(colour),
            alpha=alpha,
            icc=icc,
            metadata=described,
            span=span,
            notes=notes + more + profile_notes,
        )

    def _by_pillow(self, frame: int, described: Metadata) -> Picture:
        """Read a page whose colour model Pillow converts."""
        with Image.open(io.BytesIO(self.data), formats=("TIFF",)) as image:
            image.seek(self.pages[frame].index)
            picture = raster.from_pil(image.convert("RGB"))
        return Picture(
            picture.colour,
            alpha=None,
            icc=None,
            metadata=described,
            notes=("ITU LAB or YCbCr was converted to 8-bit RGB",),
        )

    def _metadata(self, page: tifffile.TiffPage) -> tuple[Metadata, tuple[str, ...]]:
        notes: tuple[str, ...] = ()
        exif = None
        try:
            tags = Image.Exif()
            tags.load(self.data)  # an EXIF block is a TIFF
            exif, notes = description(tags)
        except Exception as error:  # tags can have any type
            notes = (f"the EXIF data cannot be kept: {error}",)
        xmp, iptc = _value(page, XMP), _value(page, IPTC)
        if isinstance(xmp, str):
            xmp = xmp.encode()
        packet = upright_xmp(xmp) if isinstance(xmp, bytes) and b"<" in xmp else None
        return Metadata(exif=exif, xmp=packet, iptc=iptc if isinstance(iptc, bytes) else None, dpi=_dpi(page)), notes


def _value(page: tifffile.TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _loose_ycbcr(page: tifffile.TiffPage) -> bool:
    """Whether a page is YCbCr without JPEG compression, which tifffile does not convert."""
    return page.photometric == PHOTOMETRIC.YCBCR and page.compression not in JPEGS


def _pixels(page: tifffile.TiffPage) -> tuple[np.ndarray, int]:
    """Pixels (H, W, C) scaled to the range of their type, and the kind of alpha: 0 none, 1 associated, 2 straight."""
    pixels = page.asarray()
    if page.axes.startswith("S") and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim not in (2, 3):
        raise ImageError(f"pages with axes {page.axes} are not pictures")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return (np.moveaxis(page.colormap, 0, -1)[pixels[..., 0]] >> 8).astype(np.uint8), 0
    pixels = _whole_range(pixels, bits)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        pixels = _inverted(pixels)
    base = _base(page)
    if pixels.shape[2] < base:
        raise ImageError(f"the page has {pixels.shape[2]} channels instead of {base}")
    kinds = [int(k) for k in page.extrasamples]
    kind = kinds[0] if kinds and kinds[0] in (1, 2) and pixels.shape[2] > base else 0
    if page.photometric == PHOTOMETRIC.SEPARATED:
        kind = 0
    return pixels[..., : base + (kind > 0)], kind


def _base(page: tifffile.TiffPage) -> int:
    """The number of colour channels."""
    if page.photometric in LABS:
        return 3 if page.samplesperpixel - len(page.extrasamples) >= 3 else 1
    return BASE.get(int(page.photometric), 1)


def _whole_range(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale integers of other widths to 8 or 16 bits."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype == np.uint8 and bits < 8:
        return (pixels.astype(np.uint16) * 255 // (2**bits - 1)).astype(np.uint8)
    if pixels.dtype == np.uint16 and 8 < bits < 16:
        return np.rint(pixels * (65535 / (2**bits - 1))).astype(np.uint16)
    return pixels


def _inverted(pixels: np.ndarray) -> np.ndarray:
    if np.issubdtype(pixels.dtype, np.unsignedinteger):
        return np.iinfo(pixels.dtype).max - pixels
    return pixels.max() + pixels.min() - pixels


def _eight(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ImageError(f"CMYK of type {pixels.dtype} is not supported")
    return np.ascontiguousarray(pixels)


def _split(pixels: np.ndarray, kind: int, span: tuple[float, float]) -> tuple[np.ndarray, np.ndarray | None]:
    """Split pixels into colour and straight alpha."""
    if not kind:
        return pixels, None
    colour, alpha = pixels[..., :-1], pixels[..., -1]
    if pixels.dtype == np.float32:
        alpha = (alpha / max(span[1], 1e-12)).clip(0, 1)
    if kind == 1:
        full = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
        share = np.maximum(alpha, 1e-6 if full == 1 else 1)[..., None] / full
        straight = colour / share
        colour = straight.astype(np.float32) if full == 1 else np.rint(straight.clip(0, full)).astype(pixels.dtype)
    return colour, alpha


def _dpi(page: tifffile.TiffPage) -> tuple[float, float] | None:
    unit = {INCH: 1.0, CENTIMETRE: 2.54}.get(int(_value(page, 296) or INCH))
    try:
        across, down = (num / den for num, den in (_value(page, 282), _value(page, 283)))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across * unit, down * unit) if unit and across > 1 and down > 1 else None


def _from_lab(pixels: np.ndarray, *, signed: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """CIELab or ICCLab (Adobe's TIFF technical note of 2002) as sRGB, and notes.

    signed: CIELab, whose a* and b* are signed; of ICCLab with 16 bits, white is 0xFF00.
    """
    pixels = pixels.view({np.dtype(np.int8): np.uint8, np.dtype(np.int16): np.uint16}.get(pixels.dtype, pixels.dtype))
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"LAB of type {pixels.dtype} is not supported")
    deep = pixels.dtype == np.uint16
    return lab.to_srgb(pixels, signed=signed, full=255.0 if not deep else 65535.0 if signed else 65280.0)
