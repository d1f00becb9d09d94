"""What self-contained pages are made of."""

from __future__ import annotations

import base64
import io
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srcli import images
from srcli.images.write import to_pil

# Formats that browsers show, in the bytes they come in.
SHOWN = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif", ".avif": "avif"}


def fill(template: str, data: dict) -> str:
    """A page of this folder with its data in it. `<` is escaped, so that no text ends the script it lies in."""
    text = json.dumps(finite(data), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return resources.files("srcli.report").joinpath(template).read_text(encoding="utf-8").replace("{{DATA}}", text)


def finite(value: Any) -> Any:
    """The same with "inf" for infinity and null for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def data_url(path: Path, picture: images.Picture) -> str:
    """The file itself where browsers show its format, else the picture as PNG."""
    kind = SHOWN.get(path.suffix.lower())
    if kind is not None:
        return _url(path.read_bytes(), kind)
    return _png(to_pil(picture))


def png_url(image: np.ndarray) -> str:
    """uint8 RGB (H, W, 3) as PNG."""
    return _png(Image.fromarray(np.ascontiguousarray(image)))


def _png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return _url(buffer.getvalue(), "png")


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
