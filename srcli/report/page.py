"""Parts of self-contained pages."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srcli import images
from srcli.images.write import to_pil

SCRIPT = re.compile(r"\{\{(\w+\.js)\}\}")
# Formats that browsers can show as they are.
SHOWN = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif", ".avif": "avif"}


def fill(template: str, data: dict) -> str:
    """Fill a template of this folder with its scripts and with data. `<` is escaped, so that no text can end the
    script."""
    text = json.dumps(finite(data), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    whole = SCRIPT.sub(lambda found: _resource(found[1]).rstrip(), _resource(template))
    return whole.replace("{{DATA}}", text)


def _resource(name: str) -> str:
    return resources.files("srcli.report").joinpath(name).read_text(encoding="utf-8")


def finite(value: Any) -> Any:
    """Replace what JSON cannot express: infinity becomes "inf" and NaN becomes null."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def data_url(path: Path, picture: images.Picture) -> str:
    """A data URL of the file itself if browsers can show it, else of the picture as PNG."""
    kind = SHOWN.get(path.suffix.lower())
    if kind is not None:
        return _url(path.read_bytes(), kind)
    return picture_url(picture)


def picture_url(picture: images.Picture) -> str:
    """A data URL of a picture as PNG, in 8 bits per channel."""
    return _png(to_pil(picture))


def png_url(image: np.ndarray) -> str:
    """A data URL of uint8 RGB (H, W, 3) as PNG."""
    return _png(Image.fromarray(np.ascontiguousarray(image)))


def _png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return _url(buffer.getvalue(), "png")


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
