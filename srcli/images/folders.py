"""Match pictures in several folders by name, allowing for the marks that upscalers add."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from srcli.images.read import SUFFIXES

# Results of tools: photo_x4.png, 0801x4.png, photo_x3.5.jpg, photo_3840x2160.png, photo_out.png
MARKED = re.compile(r"(.+?)(?:_?x\d+(?:\.\d+)?|_\d+x\d+|_out)")


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder by suffix, sorted by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def find(name: str, files: Iterable[Path]) -> list[Path]:
    """The files that match a picture: by name, or else by stem, or else by stem without the mark of a result."""
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
    """The files of each picture, one list per folder. A match has exactly one file in each list.

    Pictures are matched by stem; marks of results are removed from stems that are not in every folder.
    """
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
    """A stem in lower case, without the mark of a result."""
    marked = MARKED.fullmatch(stem.lower())
    return marked[1] if marked else stem.lower()
