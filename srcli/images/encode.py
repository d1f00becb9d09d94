"""Encode pictures in the supported formats."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageColor

from srcli.arguments import ArgumentError
from srcli.images.formats import jpeg, png, tiff_write
from srcli.images.formats.jxl import picture as jxl
from srcli.images.layout import Band, Holds, Layout, whole

FORMATS = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF", ".gif": "GIF", ".bmp": "BMP", ".ppm": "PPM", ".pgm": "PPM",
    ".pnm": "PPM", ".pfm": "PFM", ".jxl": "JXL", ".pdf": "PDF",
}  # fmt: skip
HOLDS = {
    "PNG": Holds(kinds=("uint8", "uint16"), alpha=True),
    "TIFF": Holds(kinds=("uint8", "uint16", "float32"), alpha=True),
    "JPEG": Holds(longest=65500),
    "WEBP": Holds(alpha=True, longest=16383),
    "AVIF": Holds(alpha=True, longest=65536),
    "JXL": Holds(kinds=("uint8", "uint16"), alpha=True),
    "GIF": Holds(alpha=True, profile=False, longest=65535),
    "BMP": Holds(profile=False),
    "PPM": Holds(kinds=("uint8", "uint16"), profile=False),
    "PFM": Holds(kinds=("float32",), profile=False),
    "PDF": Holds(longest=65500),
}
LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "JXL", "PDF"})  # formats with a quality
ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
JPEG_SEGMENT = 65533  # maximum bytes in a segment
PHOTOSHOP = b"Photoshop 3.0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How to encode.

    quality: of JPEG, WebP, AVIF, JPEG XL and PDF, 1 to 100; of JPEG XL and PDF, 100 is lossless.
    level: of deflate, 0 to 9.
    lossless: for WebP.
    background: colour behind transparency in formats without alpha.
    large: JPEGs with more bytes of pixels are written in strips, with standard Huffman tables.
    """

    quality: int = 95
    level: int = 6
    lossless: bool = False
    background: tuple[int, int, int] = (255, 255, 255)
    large: int = 2**26


def suffix_of(name: str) -> str:
    """The suffix, with its dot, of a format's name. Raises ArgumentError."""
    suffix = "." + name.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise ArgumentError(f"unknown format {name!r}; use {', '.join(s[1:] for s in FORMATS)}")
    return suffix


def colour_of(name: str) -> tuple[int, int, int]:
    """Parse a colour name or #rrggbb. Raises ArgumentError."""
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        raise ArgumentError(f"unknown colour {name!r}; use a name such as white, or #rrggbb") from None
    return red, green, blue


def still(kind: str, file: BinaryIO, layout: Layout, bands: Iterable[Band], style: Style) -> list[str]:
    """Write a still picture that fits the format. Returns notes about metadata that the format cannot hold."""
    if kind == "PNG":
        png.write(file, layout, bands, style.level)
        return []
    if kind == "TIFF":
        return tiff_write.write(file, [(layout, bands)], layout.bytes, style.level)
    if kind == "JXL":
        jxl.write(file, layout, bands, style.quality)
        return []
    if kind in ("PPM", "PFM"):
        _netpbm(file, layout, bands, kind)
        return []
    options, notes = _options(kind, layout, style)
    record = _iptc(layout.metadata.iptc) if kind == "JPEG" else b""
    if kind == "JPEG" and layout.bytes > style.large:
        jpeg.write(file, layout, bands, style.quality, options, record)
        return notes
    image = _image(whole(layout, bands))
    if record:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        file.write(_after_application_segments(buffer.getvalue(), record))
    else:
        image.save(file, kind, **options)
    return notes


def animation(
    kind: str, file: BinaryIO, frames: Iterator[tuple[Layout, Iterable[Band]]], loop: int | None, style: Style
) -> list[str]:
    """Write an animation of frames of equal size. Returns notes like `still`.

    loop: number of repeats, 0 for ever, None if not stated.
    """
    layout, bands = next(frames)
    options, notes = _options(kind, layout, style)
    delays = [layout.delay]

    def others() -> Iterator[Image.Image]:
        for each, its_bands in frames:
            delays.append(each.delay)
            yield _image(whole(each, its_bands))

    first = _image(whole(layout, bands))
    rest = list(others())  # encoders need all delays at once
    options |= {"save_all": True, "append_images": rest, "duration": [round(d) for d in delays]}
    if loop is not None:
        options["loop"] = loop
    if kind == "GIF":
        options |= {"disposal": 2 if layout.alpha else 1, "optimize": False}
    if kind == "PNG":
        options |= {"disposal": 0, "blend": 0}
    if kind == "WEBP":
        options |= {"minimize_size": False}
    first.save(file, kind, **options)
    return notes


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _options(kind: str, layout: Layout, style: Style) -> tuple[dict[str, Any], list[str]]:
    data = layout.metadata
    options: dict[str, Any] = {}
    notes: list[str] = []
    if layout.icc:
        options["icc_profile"] = layout.icc
    if data.exif and kind in ("JPEG", "WEBP", "AVIF", "PNG"):
        if kind == "JPEG" and len(data.exif) + 6 > JPEG_SEGMENT:
            notes.append("the EXIF data is too long for JPEG and was left out")
        else:
            options["exif"] = b"Exif\0\0" + data.exif
    if data.xmp and kind in ("JPEG", "WEBP", "AVIF"):
        if kind == "JPEG" and len(data.xmp) + 29 > JPEG_SEGMENT:
            notes.append("the XMP data is too long for JPEG and was left out")
        else:
            options["xmp"] = data.xmp
    if data.dpi and kind in ("JPEG", "PNG", "BMP"):
        options["dpi"] = data.dpi
    if kind in LOSSY:
        options["quality"] = style.quality
    if kind == "WEBP":
        options |= {"lossless": style.lossless, "exact": True}
    if kind == "JPEG":
        options |= {"subsampling": 0 if style.quality >= 90 else 2, "optimize": True}
        if comment := dict(data.text).get("Comment"):
            options["comment"] = comment.encode()[: JPEG_SEGMENT - 1]
    return options, notes


def _iptc(record: bytes | None) -> bytes:
    """An APP13 segment with an IPTC record as Photoshop resource 0x0404; empty if it does not fit."""
    if not record or len(record) + 40 > JPEG_SEGMENT:
        return b""
    body = PHOTOSHOP + b"8BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record + b"\0" * (len(record) % 2)
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


def _after_application_segments(data: bytes, segment: bytes) -> bytes:
    """Insert a segment into a JPEG after its APP0 and APP1 segments."""
    at = 2
    while data[at : at + 2] in (b"\xff\xe0", b"\xff\xe1"):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:at] + segment + data[at:]


def _netpbm(file: BinaryIO, layout: Layout, bands: Iterable[Band], kind: str) -> None:
    """Write P5, P6, Pf or PF: a header and the plain values."""
    height, width = layout.size.height, layout.size.width
    if kind == "PFM":
        file.write(b"%s\n%d %d\n-1.0\n" % (b"PF" if layout.channels == 3 else b"Pf", width, height))
        file.write(whole(layout, bands)[::-1].astype("<f4").tobytes())
        return
    head = b"P6" if layout.channels == 3 else b"P5"
    file.write(b"%s\n%d %d\n%d\n" % (head, width, height, 2 ** (8 * layout.kind.itemsize) - 1))
    for colour, _ in bands:
        file.write(colour.astype(layout.kind.newbyteorder(">")).tobytes())
