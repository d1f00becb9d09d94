"""What metadata says about the pixels it came with: corrected for the result, or dropped where that is not possible."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, MutableMapping
from typing import Any

from srcli.geometry import Size

WIDTH, HEIGHT = 0xA002, 0xA003  # PixelXDimension, PixelYDimension
FOCAL_PLANE = (0xA20E, 0xA20F, 0xA210)  # pixels per unit of the sensor, across and down; the unit
# CompressedBitsPerPixel, SubjectArea, SubjectLocation, InteroperabilityIFD: of the old file or in its pixels.
DROPPED = frozenset({0x9102, 0x9214, 0xA214, 0xA005})
SHAPE = "tifffile's shape"
HEADERS = {
    "OME-XML": re.compile(r"<(?s:.{0,4096}?<)??(?:\w+:)?OME[\s>]"),
    "an ImageJ header": re.compile(r"ImageJ="),
    "an Aperio header": re.compile(r"Aperio "),
    SHAPE: re.compile(r"shape=\([\d, ]*\)\s*$"),
}
GPANO = rb"GPano:(?:FullPano(?:Width|Height)|CroppedArea(?:ImageWidth|ImageHeight|Left|Top))Pixels"
# Of the file that is left behind: its parts (the second picture, the movie), and its previews.
LEFT_BEHIND = re.compile(
    rb"<(?P<tag>(?:G?Container:Directory|xmp:Thumbnails|xap:Thumbnails))\b.*?</(?P=tag)>"
    rb"|<(?P<one>(?:hdrgm:\w+|GCamera:(?:MotionPhoto|MicroVideo)\w*))\b[^>]*(?:/>|>.*?</(?P=one)>)"
    rb"|\s(?:hdrgm:\w+|GCamera:(?:MotionPhoto|MicroVideo)\w*)=(?:\"[^\"]*\"|'[^']*')",
    re.DOTALL,
)


def told(text: str) -> tuple[str | None, str]:
    """What of a TIFF's ImageDescription can stay, and the name of what was taken out; empty if nothing was.

    OME-XML, ImageJ's and Aperio's headers hold sizes, axes, pixel spacing and plane counts. tifffile's JSON holds the
    shape, and may hold keys of the user's.
    """
    start = text.lstrip("\ufeff \t\r\n")
    for name, pattern in HEADERS.items():
        if pattern.match(start):
            return None, name
    rest = _without_shape(start) if start.startswith("{") else None
    return (text, "") if rest is None else (json.dumps(rest) if rest else None, SHAPE)


def _without_shape(text: str) -> dict[str, Any] | None:
    """The other keys of tifffile's JSON; None for other text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("shape"), list):
        return None
    return {key: value for key, value in found.items() if key not in ("shape", "axes", "truncated")}


def correct_camera(camera: MutableMapping[int, Any], size: Size) -> None:
    """Correct the sizes and the pixel density of the sensor in an EXIF directory, where they are stated."""
    old = [camera.get(tag) for tag in (WIDTH, HEIGHT)]
    if old == [None, None]:
        _drop(camera, FOCAL_PLANE)  # a density without a size cannot be corrected
        return
    camera[WIDTH], camera[HEIGHT] = size.width, size.height
    try:
        factor = math.sqrt(size.width * size.height / (float(old[0]) * float(old[1])))  # type: ignore[arg-type]
        for tag in FOCAL_PLANE[:2]:
            if tag in camera:
                camera[tag] = float(camera[tag]) * factor
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        _drop(camera, FOCAL_PLANE)


def _drop(camera: MutableMapping[int, Any], tags: tuple[int, ...]) -> None:
    for tag in tags:
        camera.pop(tag, None)


def upright_xmp(packet: bytes) -> bytes:
    """An XMP packet with its orientation set to 1."""
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))\s*[1-8]\s*(?=[\"'<])", rb"\g<1>1", packet)


def correct_xmp(packet: bytes, size: Size) -> bytes:
    """An XMP packet with the result's pixel sizes where it states some, a panorama's scaled with its picture, and
    without what belongs to other parts of the old file."""
    packet = LEFT_BEHIND.sub(b"", packet)
    if (wide := re.search(rb"GPano:CroppedAreaImageWidthPixels(?:=[\"']|>)\s*(\d+)", packet)) and int(wide[1]) > 0:
        factor = size.width / int(wide[1])
        packet = _numbers(packet, GPANO, lambda value: round(value * factor))
    for names, pixels in (
        (rb"exif:PixelXDimension|tiff:ImageWidth|GPano:CroppedAreaImageWidthPixels", size.width),
        (rb"exif:PixelYDimension|tiff:ImageLength|GPano:CroppedAreaImageHeightPixels", size.height),
    ):
        packet = _numbers(packet, names, lambda _, pixels=pixels: pixels)  # type: ignore[misc]
    return _regions(packet, size)


def _regions(packet: bytes, size: Size) -> bytes:
    """Faces and other regions are relative; the size that they were marked on is that of the picture."""
    found = re.search(rb"<mwg-rs:AppliedToDimensions\b.*?(?:/>|</mwg-rs:AppliedToDimensions>)", packet, re.DOTALL)
    if not found:
        return packet
    area = _numbers(found[0], rb"stDim:w", lambda _: size.width)
    area = _numbers(area, rb"stDim:h", lambda _: size.height)
    return packet[: found.start()] + area + packet[found.end() :]


def _numbers(packet: bytes, names: bytes, change: Callable[[int], int]) -> bytes:
    """Replace whole numbers of properties, written as attributes or as elements."""
    pattern = rb"((?:" + names + rb")(?:=[\"']|>))\s*(\d+)\s*(?=[\"'<])"
    return re.sub(pattern, lambda found: found[1] + str(change(int(found[2]))).encode(), packet)
