"""Enter counts of tiles in the provenance of a finished file: they are known only after the metadata is written."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from srcli.provenance import COUNTS, DIGITS, GUARDED, places

EMPTY = places(dict.fromkeys(COUNTS, 0)).encode()
# Preceded by the start of a provenance, so that no other text can match.
LINE = re.compile(rb"srcli \d[^\0]{1,600}?%s {%d}0" % (re.escape(GUARDED.encode()), DIGITS - 1))
OBJECT = re.compile(rb'\{"tool": "srcli"[^\0]{1,8000}?' + re.escape(EMPTY))
PNG = b"\x89PNG\r\n\x1a\n"


def amend(path: Path, counts: Mapping[str, int]) -> None:
    """Fill in the counts wherever the file's provenance has room for them.

    counts: by the names of `provenance.COUNTS`.
    """
    line = f"{min(counts['guarded_tiles'], 10**DIGITS - 1):>{DIGITS}}".encode()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        parts = _chunks(data) if data[: len(PNG)] == PNG else [(0, len(data), 0)]
        for start, end, checked in parts:
            for pattern, text in ((LINE, line), (OBJECT, places(counts).encode())):
                for place in pattern.finditer(data, start, end):
                    data[place.end() - len(text) : place.end()] = text
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
