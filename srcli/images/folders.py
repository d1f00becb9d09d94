"""Pictures of the same name in several folders, as upscalers leave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from srcli.images.read import SUFFIXES

# photo_x4.png, photo_x3.5.jpg, photo_3840x2160.png: how results are named, here and by other tools (photo_out.png)
RESULT = re.compile(r"(.+?)_(?:x\d+(?:\.\d+)?|\d+x\d+|out)")


def pictures(folder: Path) -> list[Path]:
    """The files of a folder whose suffix is that of a picture, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def match(folders: Sequence[Path]) -> dict[str, list[list[Path]]]:
    """For each picture of any folder, by name without suffix and without what marks a result: its files, one list per
    folder. One file in each is a match; none or several is for the caller to name."""
    found: dict[str, list[list[Path]]] = {}
    for number, folder in enumerate(folders):
        for path in pictures(folder):
            found.setdefault(key(path), [[] for _ in folders])[number].append(path)
    return dict(sorted(found.items()))


def key(path: Path) -> str:
    """The name of a picture without suffix and without what marks it as a result."""
    marked = RESULT.fullmatch(path.stem)
    return (marked[1] if marked else path.stem).lower()
