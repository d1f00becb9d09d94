"""Pixels of 16-bit SGI files, which Pillow reduces to 8 bits (the SGI Image File Format, version 1.00)."""

from __future__ import annotations

import struct

import numpy as np

HEADER = 512


def deep(data: bytes) -> np.ndarray | None:
    """Pixels (H, W, C), uint16, top row first; None for files of 8 bits. Raises ValueError."""
    magic, packed, size, _, width, height, channels = struct.unpack(">HBBHHHH", data[:12])
    if magic != 474 or size != 2:
        return None
    channels = max(1, channels)
    if packed:
        rows = channels * height
        starts = np.frombuffer(data, ">u4", rows, HEADER)
        lines = [_unpacked(data, int(start), width) for start in starts]
        pixels = np.stack(lines).reshape(channels, height, width)
    else:
        pixels = np.frombuffer(data, ">u2", channels * height * width, HEADER).reshape(channels, height, width)
    return np.ascontiguousarray(np.moveaxis(pixels[:, ::-1], 0, -1), np.uint16)


def _unpacked(data: bytes, at: int, width: int) -> np.ndarray:
    """A row of run lengths and literals."""
    line, filled = np.zeros(width, np.uint16), 0
    while filled < width:
        (word,) = struct.unpack_from(">H", data, at)
        count, at = min(word & 127, width - filled), at + 2
        if not word & 127:
            break
        if word & 128:
            line[filled : filled + count] = np.frombuffer(data, ">u2", count, at)
            at += 2 * count
        else:
            line[filled : filled + count] = struct.unpack_from(">H", data, at)[0]
            at += 2
        filled += count
    return line
