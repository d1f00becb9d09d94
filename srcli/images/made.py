"""Read from a result's file how it was made."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from srcli.errors import SrcliError
from srcli.images.formats import raster
from srcli.images.formats.jxl import boxes
from srcli.images.formats.pdf import source as pdf
from srcli.images.formats.pdf import write as pdf_write
from srcli.images.metadata import HISTORY, PROCESSING, TEXT_KEY
from srcli.images.read import file_bytes
from srcli.images.source import decoding
from srcli.provenance import Facts

TIFF = (b"II", b"MM")
# The line that versions up to 0.2.0 wrote.
LINE = re.compile(
    r"srcli (?P<version>[\w.+-]+): (?P<model>.+?)(?: \((?P<why>.+)\))?, x(?P<scale>[\d.]+), detail (?P<detail>[\d.]+)"
    r"(?:, temperature (?P<temperature>[\d.]+), seed (?P<seed>\d+))?(?:, denoise (?P<denoise>[\d.]+))?"
)
NUMBERS = {"scale": float, "detail": float, "temperature": float, "denoise": float, "seed": int}


class NoProvenance(SrcliError):
    """A picture that does not say how it was made. line: what an earlier version wrote."""

    reason = "no-provenance"

    def __init__(self, message: str, line: str = "") -> None:
        super().__init__(message)
        self.line = line


def facts_in(path: Path) -> Facts:
    """The facts in a file's metadata; its pixels are not decoded.

    Raises ImageError if it is no picture, NoProvenance if it says nothing of srcli.
    """
    data = file_bytes(path)
    with decoding(str(path)):
        exif, text = _described(data)
        line = str(exif.get(PROCESSING, ""))
        for found in (exif.get(HISTORY), text):
            if isinstance(found, str) and (facts := _parsed(found)):
                return facts
    if line.startswith("srcli "):
        raise NoProvenance(f"{path} was made by an earlier version, which wrote one line: {line}", line)
    raise NoProvenance(
        f"{path} does not say how it was made: it is no result of srcli, or its metadata was removed "
        "(--strip, --no-provenance, GIF, BMP, PPM and PFM have none)"
    )


def recorded(path: Path) -> dict[str, Any] | None:
    """The facts in a file's metadata by name, those of an earlier version too; None for any other file."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return facts_in(path).to_dict()
    except NoProvenance as unknown:
        match = LINE.search(unknown.line)
    except (SrcliError, OSError):
        return None
    if match is None:
        return None
    found: dict[str, Any] = {name: value for name, value in match.groupdict().items() if value is not None}
    return {name: NUMBERS.get(name, str)(value) for name, value in found.items()}


def _described(data: bytes) -> tuple[Image.Exif, str | None]:
    """The EXIF data of a file, and a PNG's text of ours."""
    exif = Image.Exif()
    if data[:2] in TIFF:
        exif.load(data)  # Pillow cannot open every kind of pixels
        return exif, None
    if boxes.is_jxl(data):
        exif.load(boxes.read(data).exif or b"")
        return exif, None
    if pdf.is_pdf(data):
        pdf.need_packages("the file")
        return exif, pdf_write.provenance(data)
    with raster.opened(data) as image:
        text = getattr(image, "text", {}) if image.format == "PNG" else {}
        return image.getexif(), text.get(TEXT_KEY)


def _parsed(text: str) -> Facts | None:
    try:
        told = json.loads(text.strip("\0 "))
        return Facts.from_dict(told) if isinstance(told, dict) and told.get("tool") == "srcli" else None
    except ValueError:
        return None
