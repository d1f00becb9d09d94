"""What a result's file says of how it was made."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from srcli.images.metadata import PROCESSING, TEXT_KEY

# A line of EXIF, as `Provenance.line` writes it.
LINE = re.compile(
    r"srcli (?P<version>[\w.+-]+): (?P<model>.+?)(?: \((?P<why>.+)\))?, x(?P<scale>[\d.]+), detail (?P<detail>[\d.]+)"
    r"(?:, temperature (?P<temperature>[\d.]+), seed (?P<seed>\d+))?(?:, denoise (?P<denoise>[\d.]+))?"
)
NUMBERS = {"scale": float, "detail": float, "temperature": float, "denoise": float, "seed": int}


def recorded(path: Path) -> dict[str, Any] | None:
    """The provenance of a file, without its pixels being decoded; None if it has none or cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            text = getattr(image, "text", {}).get(TEXT_KEY)
            line = str(image.getexif().get(PROCESSING, ""))
    except Exception:  # decoders can raise anything on damaged files
        return None
    if isinstance(text, str):
        try:
            told = json.loads(text)
        except ValueError:
            told = None
        if isinstance(told, dict) and told.get("tool") == "srcli":
            return {name: value for name, value in told.items() if value is not None}
    if match := LINE.match(line):
        found: dict[str, Any] = {name: value for name, value in match.groupdict().items() if value is not None}
        return {name: NUMBERS.get(name, str)(value) for name, value in found.items()}
    return None
