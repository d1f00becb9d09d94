"""Enter the number of guarded tiles in a finished file: it is known only after the metadata is written."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from srcli.images.metadata import DIGITS, GUARDED, GUARDED_KEY

# Preceded by the start of a provenance, so that no other text can match.
PLACE = re.compile(
    rb'(?:srcli \d[^\0]{1,400}%s|\{"tool": "srcli"[^}]{1,800}%s) {%d}0'
    % (re.escape(GUARDED.encode()), re.escape(GUARDED_KEY.encode()), DIGITS - 1)
)
PNG = b"\x89PNG\r\n\x1a\n"


def amend(path: Path, guarded: int) -> None:
    """Fill in the number wherever the file's provenance has a placeholder for it."""
    number = f"{min(guarded, 10**DIGITS - 1):>{DIGITS}}".encode()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        parts = _chunks(data) if data[: len(PNG)] == PNG else [(0, len(data), 0)]
        for start, end, checked in parts:
            for place in PLACE.finditer(data, start, end):
                data[place.end() - DIGITS : place.end()] = number
                if checked:
                    data[end : end + 4] = struct.pack(">I", zlib.crc32(data[checked:end]))


def _chunks(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Yield a PNG's text and EXIF chunks: start and end of their data, and start of their checksum."""
    at = len(PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind in (b"tEXt", b"iTXt", b"eXIf"):
            yield at + 8, at + 8 + length, at + 4
        at += 12 + length
