"""Read the flattened picture of Photoshop files, PSD and PSB (Adobe Photoshop File Formats Specification)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np
from PIL import Image

from srcli.images.colour import srgb
from srcli.images.formats import lab, raster
from srcli.images.metadata import Metadata, description
from srcli.images.old_pixels import upright_xmp
from srcli.images.picture import Picture
from srcli.images.source import ImageError, check_frame, check_size, decoding

BITMAP, GREY, INDEXED, RGB, CMYK, DUOTONE, LAB = 0, 1, 2, 3, 4, 8, 9
SAMPLES = {BITMAP: 1, GREY: 1, INDEXED: 1, RGB: 3, CMYK: 4, DUOTONE: 1, LAB: 3}
KINDS = {1: ">u1", 8: ">u1", 16: ">u2", 32: ">f4"}
RESOLUTION, IPTC, ICC, VERSION, EXIF, XMP = 1005, 1028, 1039, 1057, 1058, 1060
RAW, PACKED, ZIPPED, PREDICTED = 0, 1, 2, 3
TRANSPARENCY = (b"Mtrn", b"Mt16", b"Mt32")  # blocks that say that the first alpha is that of the whole
LAYERS = (b"Layr", b"Lr16", b"Lr32")
WIDE = frozenset({
    b"LMsk", b"Lr16", b"Lr32", b"Layr", b"Mt16", b"Mt32", b"Mtrn", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid", b"PxSD",
})  # fmt: skip  # blocks whose length takes 8 bytes in a PSB


def is_psd(data: bytes) -> bool:
    return data[:4] == b"8BPS"


@dataclass(slots=True)
class Reader:
    """Numbers and blocks of a file, in its order."""

    data: bytes
    at: int = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("the file ends too early")
        self.at += size
        return self.data[self.at - size : self.at]


class PsdSource:
    """The flattened picture of a Photoshop file."""

    frames, animated = 1, False
    loop: int | None = None

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        self.name = name
        with decoding(name):
            reader = Reader(data, 4)
            self.large = reader.number(2) == 2
            reader.take(6)
            self.channels = reader.number(2)
            self.height, self.width, self.depth, self.mode = (reader.number(n) for n in (4, 4, 2, 2))
            check_size(name, self.width, self.height, max_pixels)
            if self.mode not in SAMPLES or self.depth not in KINDS or self.channels < SAMPLES[self.mode]:
                raise ImageError(f"{name} is a PSD of a kind that is not supported; save it as RGB")
            self.palette = reader.take(reader.number(4))
            self.resources = dict(_resources(reader.take(reader.number(4))))
            layers = reader.take(reader.number(8 if self.large else 4))
            self.transparent = _transparent(layers, self.large)
            self.body = data[reader.at :]

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, 1)
        with decoding(self.name):
            return self._decoded()

    def _decoded(self) -> Picture:
        samples = SAMPLES[self.mode]
        alpha = self.transparent and self.channels > samples and self.mode in (GREY, RGB, LAB)
        pixels = self._pixels(samples + alpha)
        merged = self.resources.get(VERSION, b"")[4:5] != b"\0"
        if not merged and (pixels == pixels[0, 0]).all():
            raise ImageError(f"{self.name} has no flattened picture; save it in Photoshop with Maximize Compatibility")
        colour, icc, notes = self._colour(pixels[..., :samples])
        mask = pixels[..., samples] if alpha else None
        if colour.dtype == np.float32 and mask is not None:
            mask = mask.astype(np.float32).clip(0, 1)
        if mask is not None:
            colour = _without_white(colour, mask)
        colour, span, more = raster.stored(colour)
        if colour.dtype == np.float32:
            span = (span[0], max(1.0, float(colour.max())))  # white is 1; beyond it are highlights
        icc, unusable = raster.usable(icc, colour.shape[2])
        data, left_out = self._metadata()
        return Picture(
            np.ascontiguousarray(colour),
            alpha=None if mask is None else np.ascontiguousarray(mask),
            icc=icc,
            metadata=data,
            span=span,
            notes=notes + more + unusable + left_out,
        )

    def _colour(self, pixels: np.ndarray) -> tuple[np.ndarray, bytes | None, tuple[str, ...]]:
        """Stored channels as grey or RGB, with their profile and notes."""
        icc = self.resources.get(ICC)
        if self.mode == INDEXED:
            table = np.frombuffer(self.palette[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256).T
            return table[pixels[..., 0]], icc, ()
        if self.mode == CMYK:
            eight = np.rint(pixels / 257).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
            if eight.dtype != np.uint8:
                raise ImageError(f"{self.name}: CMYK of {self.depth} bits is not supported")
            rgb, note = raster.cmyk_to_rgb(Image.fromarray(np.ascontiguousarray(255 - eight), "CMYK"), icc)
            return np.asarray(rgb), srgb(), (note, *("CMYK was reduced to 8 bits per channel",) * (self.depth > 8))
        if self.mode == LAB:
            if pixels.dtype == np.float32:
                raise ImageError(f"{self.name}: LAB of 32 bits is not supported")
            made, notes = lab.to_srgb(pixels, signed=False, full=float(np.iinfo(pixels.dtype).max))
            return made, None, notes
        return pixels, icc, ("the duotone's inks were left out: it is used as grey",) * (self.mode == DUOTONE)

    def _pixels(self, count: int) -> np.ndarray:
        """The first channels (H, W, count)."""
        kind, height = np.dtype(KINDS[self.depth]), self.height
        row = -(-self.width // 8) if self.depth == 1 else self.width * kind.itemsize
        planes = self._planes(count, row)
        if self.depth == 1:
            bits = np.unpackbits(np.frombuffer(planes, np.uint8).reshape(count, height, row), axis=2)
            pixels = (1 - bits[..., : self.width]) * np.uint8(255)
        else:
            pixels = np.frombuffer(planes, kind).reshape(count, height, self.width)
        return np.ascontiguousarray(np.moveaxis(pixels, 0, -1), kind.newbyteorder("="))

    def _planes(self, count: int, row: int) -> bytes:
        """The bytes of the first channels, uncompressed."""
        reader, wanted = Reader(self.body), count * self.height * row
        compression = reader.number(2)
        if compression == RAW:
            return reader.take(wanted)
        if compression == PACKED:
            size = 4 if self.large else 2
            table = np.frombuffer(reader.take(size * self.channels * self.height), f">u{size}")
            return _unpacked(reader.take(int(table[: count * self.height].sum(dtype=np.int64))), wanted)
        if compression not in (ZIPPED, PREDICTED):
            raise ValueError(f"unknown compression {compression}")
        planes = zlib.decompressobj().decompress(self.body[2:], wanted)
        if len(planes) < wanted:
            raise ValueError("the file ends too early")
        return _undifferenced(planes, row, self.depth) if compression == PREDICTED else planes

    def _metadata(self) -> tuple[Metadata, tuple[str, ...]]:
        found, exif = self.resources, None
        notes: tuple[str, ...] = ()
        try:
            if EXIF in found:
                tags = Image.Exif()
                tags.load(found[EXIF])
                exif, notes = description(tags)
        except Exception as error:  # programs write tags of any type
            notes = (f"the EXIF data cannot be kept: {error}",)
        xmp = found.get(XMP)
        return Metadata(
            exif=exif, xmp=upright_xmp(xmp) if xmp else None, iptc=found.get(IPTC) or None, dpi=self._dpi()
        ), notes

    def _dpi(self) -> tuple[float, float] | None:
        block = self.resources.get(RESOLUTION, b"")
        if len(block) < 16:
            return None
        across, down = (value / 65536 for value in struct.unpack(">I4xI4x", block[:16]))
        return (across, down) if across > 1 and down > 1 else None


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the image resources."""
    reader = Reader(data)
    while reader.at + 12 <= len(data):
        reader.take(4)
        number = reader.number(2)
        name = reader.number(1)
        reader.take(name + (name + 1) % 2)
        size = reader.number(4)
        yield number, reader.take(size)
        reader.take(min(size % 2, len(data) - reader.at))


def _transparent(data: bytes, large: bool) -> bool:
    """Whether the first alpha channel is the transparency of the flattened picture rather than a saved selection."""
    if not data:
        return False
    reader = Reader(data)
    info = reader.take(reader.number(8 if large else 4))
    if len(info) >= 2:
        return info[0] >= 128  # a negative number of layers
    if reader.at + 4 <= len(data):
        reader.take(reader.number(4))
    while reader.at + 12 <= len(data):
        reader.take(4)
        key = reader.take(4)
        size = reader.number(8 if large and key in WIDE else 4)
        if key in TRANSPARENCY:
            return True
        body = reader.take(size)
        if key in LAYERS and len(body) >= 2:
            return body[0] >= 128
        reader.take(min(-size % 4, len(data) - reader.at))
    return False


def _unpacked(data: bytes, wanted: int) -> bytes:
    planes = bytes(imagecodecs.packbits_decode(data))
    if len(planes) != wanted:
        raise ValueError(f"{len(planes)} bytes of pixels instead of {wanted}")
    return planes


def _undifferenced(planes: bytes, row: int, depth: int) -> bytes:
    """Undo the horizontal prediction of integers."""
    if depth == 32:
        raise ValueError("predicted floats are not supported")
    values = np.frombuffer(planes, KINDS[depth]).reshape(-1, row // np.dtype(KINDS[depth]).itemsize)
    return np.cumsum(values, axis=1, dtype=np.dtype(KINDS[depth]).newbyteorder("=")).astype(KINDS[depth]).tobytes()


def _without_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Photoshop flattens on white: the colour that gave this over white at this opacity."""
    full = 1.0 if colour.dtype == np.float32 else float(np.iinfo(colour.dtype).max)
    share = np.maximum(alpha.astype(np.float32) / full, np.float32(1e-6))[..., None]
    bare = (colour - np.float32(full) * (1 - share)) / share
    if full == 1:
        return bare.astype(np.float32)
    return np.rint(bare.clip(0, full)).astype(colour.dtype)
