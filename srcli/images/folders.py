"""Match pictures in several folders by name, allowing for the marks that upscalers add."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from srcli.images.read import SUFFIXES

# Ends of the names of results: photo_x4.png, 0801x4.png, photo_x3.5.jpg, photo_3840x2160.png, photo_out.png
MARKED = re.compile(r"(.+?)(?:_?x\d+(?:\.\d+)?|_\d+x\d+|_out)")
# The same with the name of a model behind it, photo_x4_flowsr-s.png; 4x instead of x4; and the input's format, which
# tells results of photo.png and photo.jpg apart.
LONGER = re.compile(
    r"(.+?)(?:_(?:x\d+(?:\.\d+)?|\d+x\d+)_[a-z][\w.-]*|[_-]\d+x|_(?:png|jpe?g|webp|tiff?|bmp|gif)(?:_\d+)?)"
)


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder by suffix, sorted by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def find(name: str, files: Iterable[Path]) -> list[Path]:
    """The files that match a picture: by name, or else by stem, or else by stem without the marks of a result."""
    files, stem = list(files), Path(name).stem.lower()
    if found := [p for p in files if p.name.lower() == name.lower()]:
        return found
    names = {p: names_of(p.stem) for p in files}
    for depth in range(max(map(len, names.values()), default=0)):
        if found := [p for p in files if names[p][depth : depth + 1] == [stem]]:
            return found
    wanted = names_of(stem)
    return next((found for each in wanted if (found := [p for p in files if each in names[p]])), [])


def match(folders: Sequence[Path]) -> dict[str, list[list[Path]]]:
    """The files of each picture, one list per folder. A match has exactly one file in each list.

    Pictures are matched by the longest name that every folder has, with or without marks of results. So scan_fax4.png
    belongs to scan_fax4_x4.png, though its own name ends like that of a result.
    """
    files = [pictures(folder) for folder in folders]
    everywhere = set.intersection(*({name for p in each for name in names_of(p.stem)} for each in files))
    found: dict[str, list[list[Path]]] = {}
    for number, each in enumerate(files):
        for path in each:
            name = next((name for name in names_of(path.stem) if name in everywhere), unmarked(path.stem))
            found.setdefault(name, [[] for _ in folders])[number].append(path)
    return dict(sorted(found.items()))


def by_mark(name: str, files: Sequence[Sequence[Path]]) -> dict[str, list[Path | None]]:
    """The files of a picture that folders have at several scales, one row per scale. None: the folder lacks it.

    files: those of the picture `name`, one list per folder; a folder with a single one, which is at another scale than
        all others, has it in each row.
    """
    marks = [{path.stem.lower().removeprefix(name): path for path in each} for each in files]
    wanted = {mark for each in marks if len(each) > 1 for mark in each}
    return {
        name + mark: [each.get(mark) or _only(each, wanted) for each in marks] for mark in sorted(wanted, key=_natural)
    }


def _only(marks: dict[str, Path], wanted: set[str]) -> Path | None:
    return next(iter(marks.values())) if len(marks) == 1 and not wanted & marks.keys() else None


def _natural(mark: str) -> tuple[float, str]:
    """Sorts x2 before x10."""
    number = re.search(r"\d+(?:\.\d+)?", mark)
    return float(number[0]) if number else 0.0, mark


def names_of(stem: str) -> list[str]:
    """The names that a file may have as a picture, in lower case: its stem, then without one mark of a result after the
    other."""
    names = [stem.lower()]
    while marked := MARKED.fullmatch(names[-1]) or LONGER.fullmatch(names[-1]):
        names.append(marked[1])
    return names


def unmarked(stem: str) -> str:
    """A stem in lower case, without the mark of a result."""
    marked = MARKED.fullmatch(stem.lower())
    return marked[1] if marked else stem.lower()
