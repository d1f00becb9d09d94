"""Pictures of the same name in several folders, as upscalers leave them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from srcli.images.read import SUFFIXES

# photo_x4.png, 0801x4.png, photo_x3.5.jpg, photo_3840x2160.png, photo_out.png: how tools name their results
MARKED = re.compile(r"(.+?)(?:_?x\d+(?:\.\d+)?|_\d+x\d+|_out)")


def pictures(folder: Path) -> list[Path]:
    """The files of a folder whose suffix is that of a picture, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def find(name: str, files: Iterable[Path]) -> list[Path]:
    """The files that belong to a picture: of its name, else of its stem, else of its stem with a result's mark."""
    files, stem = list(files), Path(name).stem.lower()
    for fits in (
        lambda p: p.name.lower() == name.lower(),
        lambda p: p.stem.lower() == stem,
        lambda p: unmarked(p.stem) == stem,
        lambda p: unmarked(p.stem) == unmarked(stem),
    ):
        if found := [p for p in files if fits(p)]:
            return found
    return []


def match(folders: Sequence[Path]) -> dict[str, list[list[Path]]]:
    """For each picture of any folder its files, one list per folder. One file in each is a match; none or several is
    for the caller to name. A stem that every folder has is a name as it is; others lose what marks results."""
    files = [pictures(folder) for folder in folders]
    everywhere = set.intersection(*({p.stem.lower() for p in each} for each in files))
    found: dict[str, list[list[Path]]] = {}
    for number, each in enumerate(files):
        for path in each:
            stem = path.stem.lower()
            name = stem if stem in everywhere else unmarked(stem)
            found.setdefault(name, [[] for _ in folders])[number].append(path)
    return dict(sorted(found.items()))


def unmarked(stem: str) -> str:
    """A name without what marks it as a result, in lower case."""
    marked = MARKED.fullmatch(stem.lower())
    return marked[1] if marked else stem.lower()
