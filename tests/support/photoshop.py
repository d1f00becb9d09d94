"""Photoshop files, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import imagecodecs
import numpy as np

RAW, PACKED, ZIPPED, PREDICTED = 0, 1, 2, 3


def psd(
    channels: np.ndarray,
    mode: int,
    *,
    compression: int = RAW,
    resources: Mapping[int, bytes] | None = None,
    layers: bytes = b"",
    palette: bytes = b"",
    large: bool = False,
    depth: int | None = None,
) -> bytes:
    """A file of channels (C, H, W).

    mode: of colours, such as 3 for RGB.
    layers: the section of layers and masks.
    depth: bits, if they are not those of the channels' type.
    """
    count, height, width = channels.shape
    stored = channels.astype(channels.dtype.newbyteorder(">"))
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1 + large, count, height, width, depth or 8 * stored.itemsize, mode)
    blocks = b"".join(
        b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)
        for number, body in (resources or {}).items()
    )
    section = struct.pack(">Q" if large else ">I", len(layers)) + layers
    start = head + struct.pack(">I", len(palette)) + palette + struct.pack(">I", len(blocks)) + blocks + section
    return start + struct.pack(">H", compression) + _pixels(stored, compression, large)


def layer_count(number: int, *, large: bool = False) -> bytes:
    """A section of layers that holds their number alone; below 0, the first alpha is the whole's transparency."""
    info = struct.pack(">h", number) + bytes(2)
    return struct.pack(">Q" if large else ">I", len(info)) + info


def _pixels(stored: np.ndarray, compression: int, large: bool) -> bytes:
    if compression == PACKED:
        rows = [bytes(imagecodecs.packbits_encode(row.tobytes())) for plane in stored for row in plane]
        return np.array([len(row) for row in rows], ">u4" if large else ">u2").tobytes() + b"".join(rows)
    if compression == ZIPPED:
        return zlib.compress(stored.tobytes())
    if compression == PREDICTED:
        values = stored.astype(stored.dtype.newbyteorder("="))
        steps = np.concatenate([values[..., :1], values[..., 1:] - values[..., :-1]], axis=2)
        return zlib.compress(steps.astype(stored.dtype).tobytes())
    return stored.tobytes()
