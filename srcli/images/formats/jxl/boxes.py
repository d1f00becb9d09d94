"""The container of JPEG XL (ISO/IEC 18181-2): the codestream, EXIF and XMP in boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs

from srcli.images.formats.jxl.header import SIGNATURE

START = b"\0\0\0\x0cJXL \r\n\x87\n"
TYPE = b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
LONGEST = 2**26  # bytes of metadata that are unpacked


@dataclass(frozen=True, slots=True)
class Boxes:
    """What a file holds. exif: a TIFF block. level: of the decoder that is needed, 5 or 10."""

    codestream: bytes
    exif: bytes | None = None
    xmp: bytes | None = None
    level: int = 5


def is_jxl(data: bytes) -> bool:
    return data[:2] == SIGNATURE or data[: len(START)] == START


def read(data: bytes) -> Boxes:
    """The boxes of a file. Raises ValueError."""
    if data[:2] == SIGNATURE:
        return Boxes(data)
    stream, level = bytearray(), 5
    found: dict[bytes, bytes] = {}
    for kind, body in _boxes(data):
        name, content = (body[:4], body[4:]) if kind == b"brob" else (kind, body)
        if kind == b"jxlc":
            stream += body
        elif kind == b"jxlp":
            stream += body[4:]
        elif kind == b"jxll":
            level = body[0]
        elif name in (b"Exif", b"xml ") and name not in found:
            found[name] = bytes(imagecodecs.brotli_decode(content, out=LONGEST)) if kind == b"brob" else content
    exif = found.get(b"Exif", b"")
    exif = exif[4 + int.from_bytes(exif[:4], "big") :]
    return Boxes(bytes(stream), exif or None, found.get(b"xml ") or None, level)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if length == 0:
            length = len(data) - at
        if length < head or at + length > len(data):
            raise ValueError("the file ends too early")
        yield kind, data[at + head : at + length]
        at += length


def written(boxes: Boxes) -> bytes:
    """A file; metadata comes before the codestream."""
    parts = [START, TYPE]
    if boxes.level != 5:
        parts.append(_box(b"jxll", bytes([boxes.level])))
    if boxes.exif:
        parts.append(_box(b"Exif", bytes(4) + boxes.exif))
    if boxes.xmp:
        parts.append(_box(b"xml ", boxes.xmp))
    return b"".join([*parts, _box(b"jxlc", boxes.codestream)])


def _box(kind: bytes, body: bytes) -> bytes:
    if len(body) + 8 < 2**32:
        return (len(body) + 8).to_bytes(4, "big") + kind + body
    return (1).to_bytes(4, "big") + kind + (len(body) + 16).to_bytes(8, "big") + body
