"""Write TIFF strip by strip with tifffile, as BigTIFF if 4 GB may not suffice."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile
from PIL import ExifTags, Image, TiffImagePlugin

from srcli.images.layout import Band, Layout, rows

STRIP = 64  # rows
CLASSIC = 2**32 - 2**26  # bytes of pixels that fit in a classic TIFF, with room for the directories
EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
NAMES = {EXIF: "ExifTag", GPS: "GPSTag"}
TEXTS = {
    ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Artist, ExifTags.Base.Copyright, ExifTags.Base.DateTime,
    ExifTags.Base.HostComputer, ExifTags.Base.ImageDescription, ExifTags.Base.ImageHistory,
    ExifTags.Base.ProcessingSoftware, ExifTags.Base.Software,
}  # fmt: skip


def write(file: BinaryIO, pages: Iterable[tuple[Layout, Iterable[Band]]], max_bytes: int, level: int) -> list[str]:
    """Write pages of 8, 16 or 32 bits, deflated with a predictor.

    max_bytes: upper bound on the bytes of all pixels.

    Returns no notes: TIFF can hold everything.
    """
    big = max_bytes > CLASSIC
    directories = []
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as writer:
        for layout, bands in pages:
            tags, inner = _tags(layout, big)
            writer.write(
                _strips(bands, layout, level),
                shape=(layout.size.height, layout.size.width, *([layout.samples] if layout.samples > 1 else [])),
                dtype=layout.kind,
                rowsperstrip=STRIP,
                compression="zlib",
                predictor=3 if layout.kind == np.float32 else 2,
                photometric="rgb" if layout.channels == 3 else "minisblack",
                planarconfig="contig" if layout.samples > 1 else None,
                extrasamples=["unassalpha"] if layout.alpha else None,
                iccprofile=layout.icc,
                resolution=layout.metadata.dpi,
                resolutionunit="inch" if layout.metadata.dpi else None,
                software=False,
                metadata=None,
                extratags=tags,
                maxworkers=1,
            )
            directories.append(inner)
    for number, inner in enumerate(directories):
        for tag, entries in inner.items():
            _append(file, number, tag, entries, big)
    return []


def _strips(bands: Iterable[Band], layout: Layout, level: int) -> Iterator[bytes]:
    """Encode strips here, since tifffile would need whole pages."""
    predict = imagecodecs.floatpred_encode if layout.kind == np.float32 else imagecodecs.delta_encode
    for piece in rows(bands, STRIP):
        strip = np.ascontiguousarray(piece, layout.kind.newbyteorder("<"))
        yield zlib.compress(predict(strip, axis=1).tobytes(), level)


def _tags(layout: Layout, big: bool) -> tuple[list[tuple], dict[int, dict]]:
    """Tags of a page, and the directories to be appended after it."""
    data = layout.metadata
    tags: list[tuple] = []
    inner: dict[int, dict] = {}
    if data.xmp:
        tags.append((700, 7, len(data.xmp), data.xmp, True))
    if data.iptc:
        tags.append((33723, 7, len(data.iptc), data.iptc, True))
    if data.exif:
        block = Image.Exif()
        block.load(data.exif)
        for tag in TEXTS & set(block):
            tags.append((int(tag), 2, 0, str(block[tag]), True))
        for directory in (EXIF, GPS):
            if entries := dict(block.get_ifd(directory)):
                inner[int(directory)] = entries
                # By name, or tifffile leaves it out; its offset is filled in later.
                tags.append((NAMES[directory], 16 if big else 4, 1, 0, True))
    return tags, inner


def _append(file: BinaryIO, page: int, tag: int, entries: dict, big: bool) -> None:
    """Append a directory to the file and enter its offset in the page's tag."""
    file.seek(0, io.SEEK_END)
    place = file.tell() + file.tell() % 2
    data = _directory(entries, place, big)
    file.seek(place)
    file.write(data)
    file.seek(_value_of(file, page, tag, big))
    file.write(struct.pack("<Q" if big else "<I", place))


def _value_of(file: BinaryIO, page: int, tag: int, big: bool) -> int:
    """The offset of the value of a page's tag."""

    def number(place: int, form: str) -> int:
        file.seek(place)
        return struct.unpack(form, file.read(struct.calcsize(form)))[0]

    wide, count_form, entry = ("<Q", "<Q", 20) if big else ("<I", "<H", 12)
    place = number(8 if big else 4, wide)
    for _ in range(page):
        entries = number(place, count_form)
        place = number(place + struct.calcsize(count_form) + entry * entries, wide)
    first = place + struct.calcsize(count_form)
    starts = range(first, first + entry * number(place, count_form), entry)
    return next(start for start in starts if number(start, "<H") == tag) + entry - struct.calcsize(wide)


def _directory(entries: dict, place: int, big: bool) -> bytes:
    header = b"II\x2b\0\x08\0\0\0" + bytes(8) if big else b"II\x2a\0\x08\0\0\0"
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    for tag, value in entries.items():
        directory[tag] = value
    return directory.tobytes(place)
