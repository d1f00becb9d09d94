"""Read and write JPEG XL with imagecodecs, which handles pixels alone: headers, profiles and metadata are ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from srcli.images.colour import RELATIVE, srgb
from srcli.images.formats import raster
from srcli.images.formats.jxl import boxes, header, profile
from srcli.images.formats.jxl.header import GREY, RGB, Bits, Colours
from srcli.images.layout import Band, Layout, whole
from srcli.images.metadata import Metadata, description
from srcli.images.old_pixels import upright_xmp
from srcli.images.picture import RANGES, Picture
from srcli.images.source import ImageError, MissingCodec, check_frame, check_size, decoding

LINEAR = 8.0
EFFORT = 4  # for lossless files: a third of the time of the default, for a fifth more bytes
HDR = {16: "PQ", 18: "HLG"}
DATE = b"".join(n.to_bytes(2, "big") for n in (2000, 1, 1, 0, 0, 0))  # in profiles that we make
WHITE = {1: (0.3127, 0.3290), 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
PRIMARIES = {
    1: (0.639998686, 0.330010138, 0.300003784, 0.600003357, 0.150002046, 0.059997204),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}


def need_codec(name: str) -> None:
    """Raise MissingCodec if this build of imagecodecs has no JPEG XL."""
    if not imagecodecs.JPEGXL.available:
        raise MissingCodec(f"{name}: this build of imagecodecs has no JPEG XL; install imagecodecs from PyPI")


class JxlSource:
    """A JPEG XL file; of an animation, its first frame."""

    frames, animated = 1, False
    loop: int | None = None

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        need_codec(name)
        self.name = name
        with decoding(name):
            self.boxes = boxes.read(data)
            self.header = header.parse(self.boxes.codestream)
            check_size(name, self.header.width, self.header.height, max_pixels)

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, 1)
        with decoding(self.name):
            return self._decoded()

    def _decoded(self) -> Picture:
        head = self.header
        notes = ("only the first frame of the JPEG XL animation is used",) * head.animated
        icc = profile.read(Bits(self.boxes.codestream, head.end)) if head.colours.icc else None
        pixels = self._pixels(icc)
        grey, samples = head.colours.space == GREY, 1 + 2 * (head.colours.space != GREY)
        if pixels.shape[2] < samples + head.alpha:
            raise ImageError(f"{self.name} has {pixels.shape[2]} channels instead of {samples + head.alpha}")
        pixels, span, more = raster.stored(pixels[..., : samples + head.alpha])
        colour, alpha = pixels[..., :samples], pixels[..., samples] if head.alpha else None
        if alpha is not None and head.premultiplied:
            colour = _straight(colour, alpha)
        if not head.colours.icc:
            icc, lost = _profile_of(head.colours, grey=grey)
            notes += lost
        icc, unusable = raster.usable(icc, samples)
        data, left_out = self._metadata()
        return Picture(
            np.ascontiguousarray(colour),
            alpha=None if alpha is None else np.ascontiguousarray(alpha),
            icc=icc,
            metadata=data,
            span=span,
            notes=notes + more + unusable + left_out,
        )

    def _pixels(self, icc: bytes | None) -> np.ndarray:
        """Pixels (H, W, C) in the original encoding."""
        stream, head = self.boxes.codestream, self.header
        if not (head.xyb and icc):
            pixels = _planes(imagecodecs.jpegxl_decode(stream, index=0 if head.animated else None))
            return pixels if head.floats or head.bits in (8, 16) else _whole_range(pixels, head.bits)
        # Absolute colours: the decoder gives linear sRGB, of which 8 bits would be too few in the shadows.
        light = _planes(imagecodecs.jpegxl_decode(header.changed(stream, depth=header.FLOAT)))
        samples = light.shape[2] - head.alpha
        made = _transformed(light[..., :samples], _linear(), icc, grey=icc[16:20] == b"GRAY")
        pixels = np.concatenate([made, light[..., samples:]], axis=2).clip(0, 1)
        if head.floats:
            return pixels
        kind = np.dtype(np.uint8 if head.bits <= 8 else np.uint16)
        return np.rint(pixels * RANGES[kind]).astype(kind)

    def _metadata(self) -> tuple[Metadata, tuple[str, ...]]:
        exif = None
        notes: tuple[str, ...] = ()
        try:
            if self.boxes.exif:
                tags = Image.Exif()
                tags.load(self.boxes.exif)
                exif, notes = description(tags)
        except Exception as error:  # cameras write tags of any type
            notes = (f"the EXIF data cannot be kept: {error}",)
        xmp = self.boxes.xmp
        return Metadata(exif=exif, xmp=upright_xmp(xmp) if xmp and b"<" in xmp else None), notes


def write(file: BinaryIO, layout: Layout, bands: Iterable[Band], quality: int) -> None:
    """Write a JPEG XL of 8 or 16 bits.

    quality: 1 to 100; 100 is lossless.
    """
    pixels, icc = whole(layout, bands), layout.icc
    if icc and layout.channels == 1 and icc[16:20] != b"GRAY":  # the file's channels are those of its profile
        pixels = np.concatenate([pixels[..., :1].repeat(3, 2), pixels[..., 1:]], axis=2)
    grey = pixels.shape[2] < 3
    depth = header.DEPTHS[8 * pixels.dtype.itemsize]
    if quality == 100:
        made = boxes.read(bytes(imagecodecs.jpegxl_encode(_flat(pixels), lossless=True, effort=EFFORT)))
    else:
        light = _light(pixels, icc, grey=grey)
        made = boxes.read(bytes(imagecodecs.jpegxl_encode(_flat(light), lossless=False, distance=_distance(quality))))
    plain = header.GREY_SRGB if grey else header.SRGB
    stream = header.changed(
        made.codestream,
        depth=depth,
        colours=header.OWN[GREY if grey else RGB] if icc else plain,
        profile=profile.written(icc) if icc else "",
    )
    data = layout.metadata
    file.write(boxes.written(boxes.Boxes(stream, data.exif, data.xmp, made.level)))


def _light(pixels: np.ndarray, icc: bytes | None, *, grey: bool) -> np.ndarray:
    """Pixels as light with the primaries of sRGB, beyond [0, 1] for colours outside it; alpha as it is."""
    samples = 1 if grey else 3
    values = pixels.astype(np.float32) / np.float32(RANGES[pixels.dtype])
    light = _transformed(values[..., :samples], icc or (_grey() if grey else srgb()), _linear(), grey=grey)
    return np.concatenate([light, values[..., samples:]], axis=2)


def _transformed(values: np.ndarray, source: bytes, target: bytes, *, grey: bool) -> np.ndarray:
    """Colours (H, W, C) from one profile to another, in floating point and without clipping.

    grey: whether values are grey, and stay grey.
    """
    options: dict[str, Any] = {"outdtype": "float32", "intent": RELATIVE}
    if not grey:
        return imagecodecs.cms_transform(
            np.ascontiguousarray(values), source, target, colorspace="rgb", outcolorspace="rgb", **options
        )
    kinds = ["gray" if each[16:20] == b"GRAY" else "rgb" for each in (source, target)]
    given = values[..., 0] if kinds[0] == "gray" else values[..., :1].repeat(3, 2)
    made = imagecodecs.cms_transform(
        np.ascontiguousarray(given), source, target, colorspace=kinds[0], outcolorspace=kinds[1], **options
    )
    return made[..., None] if made.ndim == 2 else made[..., 1:2]


def _linear() -> bytes:
    return imagecodecs.cms_profile("rgb", whitepoint=WHITE[1], primaries=PRIMARIES[1], gamma=1.0)


def _grey() -> bytes:
    """A grey profile with the curve of sRGB; an RGB profile serves, as greys depend on its curve alone."""
    return srgb()


def _profile_of(colours: Colours, *, grey: bool) -> tuple[bytes | None, tuple[str, ...]]:
    """A profile for an encoding that the header names, None for sRGB; and notes."""
    if colours.srgb:
        return None, ()
    if int(colours.curve) in HDR:
        return None, (f"the {HDR[int(colours.curve)]} curve of HDR is not supported; its values are used as they are",)
    white = WHITE.get(colours.white, WHITE[1]) if isinstance(colours.white, int) else colours.white
    known = PRIMARIES.get(colours.primaries, PRIMARIES[1]) if isinstance(colours.primaries, int) else colours.primaries
    options: dict[str, Any] = {"gamma": 1.0 if colours.curve == LINEAR else 1 / colours.curve}
    if colours.curve > 1 and colours.curve != LINEAR:
        values = np.linspace(0, 1, 1024)
        curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        options = {"transferfunction": curve.astype(np.float32)}
    made = bytes(imagecodecs.cms_profile("rgb", whitepoint=white, primaries=known, **options))
    return made[:24] + DATE + made[36:84] + bytes(16) + made[100:], ()  # the same at any time: no date, no digest


def _distance(quality: int) -> float:
    """The distance in just noticeable differences, as libjxl's tools choose it."""
    return 0.1 + (100 - quality) * 0.09 if quality >= 30 else 53 / 3000 * quality**2 - 23 / 20 * quality + 25


def _straight(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour divided by its alpha."""
    full = 1.0 if colour.dtype == np.float32 else float(RANGES[colour.dtype])
    share = np.maximum(alpha.astype(np.float32) / full, 1e-6)[..., None]
    straight = (colour / share).clip(0, full)
    return straight.astype(np.float32) if full == 1 else np.rint(straight).astype(colour.dtype)


def _whole_range(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale integers of other widths to 8 or 16 bits."""
    if bits > 8:
        return raster.widened(pixels, bits)
    return np.rint(pixels * (255 / (2**bits - 1))).astype(np.uint8)


def _planes(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(*pixels.shape[:2], -1)


def _flat(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
