"""Write large JPEGs (ITU-T T.81) strip by strip; libraries need the whole picture at once.

Each strip is encoded as a separate picture with the same tables, and only its entropy-coded data is used. Separated by
restart markers with an interval of one strip, these form one baseline JPEG, as decoders reset at each marker.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from srcli.images.layout import Band, Layout, rows

STRIP = 64  # rows; whole blocks at any subsampling
START, END, RESTART, INTERVAL = b"\xff\xda", b"\xff\xd9", 0xD0, b"\xff\xdd\0\4"


def write(
    file: BinaryIO, layout: Layout, bands: Iterable[Band], quality: int, options: dict[str, Any], more: bytes
) -> None:
    """Write a JPEG.

    options: Pillow's options for the metadata.
    more: additional segments, after Pillow's.
    """
    subsampling = 0 if quality >= 90 or layout.channels == 1 else 2
    block = 16 if subsampling else 8
    interval = -(-layout.size.width // block) * (STRIP // block)
    options = {k: v for k, v in options.items() if k not in ("quality", "subsampling", "optimize")}
    plain = {"quality": quality, "subsampling": subsampling, "optimize": False, "progressive": False}
    for number, piece in enumerate(rows(bands, STRIP)):
        header, data = _encoded(piece, plain | (options if number == 0 else {}))
        if number == 0:
            file.write(_with_height(header, layout.size.height) + more + INTERVAL + interval.to_bytes(2, "big"))
            file.write(_scan(header))
        else:
            file.write(bytes([0xFF, RESTART + (number - 1) % 8]))
        file.write(data)
    file.write(END)


def _encoded(piece: np.ndarray, options: dict[str, Any]) -> tuple[bytes, bytes]:
    """Encode a strip: the header up to its entropy-coded data, and that data without the end marker."""
    buffer = io.BytesIO()
    Image.fromarray(piece[..., 0] if piece.shape[2] == 1 else piece).save(buffer, "JPEG", **options)
    data = buffer.getvalue()
    start = _segments(data)[START]
    start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    return data[:start], data[start:-2]


def _with_height(header: bytes, height: int) -> bytes:
    """The header before its scan, with the height in its frame replaced."""
    places = _segments(header)
    frame = next(place for mark, place in places.items() if mark in (b"\xff\xc0", b"\xff\xc1"))
    return header[: frame + 5] + height.to_bytes(2, "big") + header[frame + 7 : places[START]]


def _scan(header: bytes) -> bytes:
    return header[_segments(header)[START] :]


def _segments(data: bytes) -> dict[bytes, int]:
    """Offsets of the segments up to the scan, the last of each kind."""
    places, at = {}, 2
    while True:
        mark = data[at : at + 2]
        places[mark] = at
        if mark == START:
            return places
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
