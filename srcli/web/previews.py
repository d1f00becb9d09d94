"""Pictures as the page shows them: small enough to send, and the same part of the input and the result."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image

from srcli.bench import windows
from srcli.geometry import Size, Window
from srcli.images.picture import Picture
from srcli.images.write import to_pil

LONGEST = 1600  # pixels of the longer side of a whole picture
DETAIL = 720  # pixels per side of a part at one to one
Pair = tuple[str, str]


def preview(picture: Picture, folder: Path) -> str:
    """A file that shows a whole picture."""
    image = to_pil(picture)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return _saved(image, folder / "picture")


def whole(before: Picture, after: Picture, folder: Path) -> Pair:
    """Files that show the input, enlarged by bicubic interpolation, and the result."""
    large = to_pil(after)
    large.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    small = to_pil(before).resize(large.size, Image.Resampling.BICUBIC)
    return _saved(small, folder / "before"), _saved(large, folder / "after")


def detail(before: Picture, after: Picture, scale: float, folder: Path) -> Pair:
    """The same of the part with most detail, a pixel of the result a pixel of the file."""
    low = windows.detailed(before.rgb(), math.ceil(DETAIL / scale), windows.grid_of(scale))
    high = windows.enlarged(low, scale, Size(after.size.height, after.size.width))
    large = to_pil(after).crop(_box(high))
    small = to_pil(before).crop(_box(low)).resize(large.size, Image.Resampling.BICUBIC)
    return _saved(small, folder / "before-detail"), _saved(large, folder / "after-detail")


def _box(window: Window) -> tuple[int, int, int, int]:
    return window.left, window.top, window.right, window.bottom


def _saved(image: Image.Image, path: Path) -> str:
    """A JPEG, or a PNG where there is transparency. The profile stays."""
    icc = image.info.get("icc_profile")
    if image.mode in ("LA", "RGBA"):
        image.save(path.with_suffix(".png"), icc_profile=icc)
        return str(path.with_suffix(".png"))
    image.save(path.with_suffix(".jpg"), quality=92, subsampling=0, icc_profile=icc)
    return str(path.with_suffix(".jpg"))
