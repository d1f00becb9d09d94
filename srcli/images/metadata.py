"""Metadata of pictures: EXIF, XMP, IPTC, resolution and text, without what describes the old pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import ExifTags, Image

from srcli.geometry import Size
from srcli.images.old_pixels import DROPPED, correct_camera, correct_xmp, told, upright_xmp
from srcli.provenance import TOOL, Facts

ORIENTATION = 0x0112
PROCESSING = ExifTags.Base.ProcessingSoftware  # holds a line for people
HISTORY = ExifTags.Base.ImageHistory  # holds all facts as JSON
TEXT_KEY = TOOL  # key of the provenance in a PNG
DESCRIPTIVE = frozenset(
    ExifTags.Base[name]
    for name in (
        "ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "HostComputer", "Copyright",
        "XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject", "Rating", "ProcessingSoftware",
    )
)  # fmt: skip
MAX_TEXT = 2**20
NOT_TEXT = frozenset({"XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type xmp", "Raw profile type iptc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page of a PDF that a picture was made from.

    document: the PDF.
    number: of the page, from 0.
    width, height: of the page as shown, in points.
    info: title, author and the like of the document.
    """

    document: bytes = field(repr=False)
    number: int
    width: float
    height: float
    info: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata of a picture.

    exif: a TIFF block that begins with II or MM.
    xmp: an XMP packet.
    iptc: an IIM record.
    dpi: horizontal and vertical resolution.
    text: keys and values of a PNG; the comment of JPEG and GIF as `Comment`.
    gamma, chromaticity: of a PNG without a profile.
    page: of a PDF.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    gamma: float | None = None
    chromaticity: tuple[float, ...] | None = None
    page: Page | None = None


def collect(image: Image.Image) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of an open Pillow image, and notes about what cannot be kept."""
    info: dict[Any, Any] = image.info
    notes: tuple[str, ...] = ()
    exif = None
    try:
        exif, notes = description(image.getexif())
    except Exception as error:  # cameras write tags of any type
        notes = (f"the EXIF data cannot be kept: {error}",)
    gamma, chromaticity = _calibration(info)
    found = Metadata(
        exif=exif,
        xmp=_xmp(info),
        iptc=_iptc(image),
        dpi=_dpi(info),
        text=_text(image),
        gamma=gamma,
        chromaticity=chromaticity,
    )
    return found, notes


def description(source: Image.Exif) -> tuple[bytes | None, tuple[str, ...]]:
    """An EXIF block without what describes the old pixels: orientation, thumbnail, layout of a TIFF; and notes."""
    notes: tuple[str, ...] = ()
    cleaned = Image.Exif()
    for tag in DESCRIPTIVE & set(source):
        cleaned[tag] = source[tag]
    if isinstance(text := cleaned.get(ExifTags.Base.ImageDescription), str):
        kept, what = told(text)
        if what:
            notes = (f"the description held {what}, which describes the old pixels: left out",)
            del cleaned[ExifTags.Base.ImageDescription]
        if what and kept:
            cleaned[ExifTags.Base.ImageDescription] = kept
    found = len(cleaned) > 0
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if entries := {tag: v for tag, v in source.get_ifd(directory).items() if tag not in DROPPED}:
            cleaned.get_ifd(directory).update(entries)
            found = True
    return (_bare(cleaned.tobytes()) if found else None), notes


def finished(metadata: Metadata, size: Size, provenance: Facts | None) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of a result: with its pixel size where one was stated, and its provenance. Also returns notes."""
    exif = metadata.exif
    notes: tuple[str, ...] = ()
    try:
        exif = _corrected(metadata.exif, size, provenance)
    except Exception as error:  # some tags can be read but not written
        notes = (f"the EXIF data cannot be kept: {error}",)
        exif = _corrected(None, size, provenance)
    text = tuple((k, v) for k, v in metadata.text if k != TEXT_KEY)
    if provenance is not None:
        text += ((TEXT_KEY, provenance.json()),)
    xmp = metadata.xmp and correct_xmp(metadata.xmp, size)
    return replace(metadata, exif=exif, xmp=xmp, text=text), notes


def stripped(metadata: Metadata) -> Metadata:
    """Only the metadata needed to show the colours right, and the page with its text."""
    page = metadata.page and replace(metadata.page, info=())
    return Metadata(gamma=metadata.gamma, chromaticity=metadata.chromaticity, page=page)


def _corrected(block: bytes | None, size: Size, provenance: Facts | None) -> bytes | None:
    data = Image.Exif()
    if block is not None:
        data.load(block)
        camera = data.get_ifd(ExifTags.IFD.Exif)
        correct_camera(camera, size)
        data.get_ifd(ExifTags.IFD.GPSInfo)  # must be read to be written
    if provenance is not None:
        data[PROCESSING], data[HISTORY] = provenance.line(), provenance.json()
    elif str(data.get(PROCESSING, "")).startswith("srcli "):
        del data[PROCESSING]  # provenance of the input
    return _bare(data.tobytes()) if block is not None or provenance is not None else None


def _bare(block: bytes) -> bytes:
    return block.removeprefix(b"Exif\x00\x00")


def _xmp(info: Mapping[Any, Any]) -> bytes | None:
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or info.get("Raw profile type xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if isinstance(packet, bytes) and b"<" in packet:
        return upright_xmp(packet)
    return None


def _iptc(image: Image.Image) -> bytes | None:
    """The IPTC record (resource 0x0404) of a JPEG; Photoshop's other resources describe old pixels."""
    resources = image.info.get("photoshop")
    record = resources.get(0x0404) if isinstance(resources, dict) else None
    return record if isinstance(record, bytes) and record else None


def _dpi(info: Mapping[Any, Any]) -> tuple[float, float] | None:
    try:
        across, down = (float(v) for v in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if across > 1 and down > 1 else None  # libraries write 1 for "unknown"


def _text(image: Image.Image) -> tuple[tuple[str, str], ...]:
    """Text chunks of a PNG, and comments of JPEG and GIF."""
    found = {}
    if image.format == "PNG":
        found = {k: str(v) for k, v in getattr(image, "text", {}).items() if k not in NOT_TEXT}
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        comment = comment.decode("utf-8", "replace")
    if isinstance(comment, str) and comment.strip("\0 "):
        found["Comment"] = comment.strip("\0 ")
    return tuple((k, v) for k, v in found.items() if len(v) <= MAX_TEXT)


def _calibration(info: Mapping[Any, Any]) -> tuple[float | None, tuple[float, ...] | None]:
    """gAMA and cHRM of a PNG without a profile or sRGB chunk."""
    if info.get("icc_profile") or "srgb" in info:
        return None, None
    gamma, white = info.get("gamma"), info.get("chromaticity")
    return (
        float(gamma) if isinstance(gamma, (int, float)) and gamma > 0 else None,
        tuple(float(v) for v in white) if isinstance(white, tuple) and len(white) == 8 else None,
    )
