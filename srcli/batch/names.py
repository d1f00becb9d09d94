"""Inputs of a run and the names of their results."""

from __future__ import annotations

import os
import string
from collections import Counter
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

from srcli import images
from srcli.errors import SrcliError
from srcli.geometry import Size, Target
from srcli.images.encode import FORMATS

STREAM = Path("-")  # standard input or output
FIELDS = ("stem", "ext", "scale", "width", "height", "model", "parent", "folder")


class InputError(SrcliError):
    """Inputs that contain no picture."""

    reason = "no-input"


class UsageError(SrcliError):
    """Options or inputs that contradict each other."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One input file and where its result goes.

    folder: folder of the result.
    name: first part of the result's name; the rest depends on the picture's size.
    file: the exact output path, if the user gave one.
    below: folder of the source relative to the input folder in which it was found.
    template: the output template, if the user gave one.
    root: folder of the ledger.
    found: whether the file was found in a folder rather than named.
    """

    source: Path
    folder: Path
    _: KW_ONLY
    name: str = ""
    file: Path | None = None
    below: Path = Path()
    template: str | None = None
    root: Path = Path()
    found: bool = False


def resolved(path: Path) -> Path:
    """The real path, even for broken or circular links."""
    return Path(os.path.realpath(path))


def checked_template(text: str, suffix: str | None = None) -> str:
    """Check an output template and return it. Raises UsageError."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        if not (unknown := [n for n in names if n not in FIELDS]):
            text.format(**dict.fromkeys(FIELDS, "1"))
    except (ValueError, LookupError) as error:
        raise UsageError(f"the output template {text!r} is invalid: {error}") from None
    if unknown:
        known = ", ".join("{" + f + "}" for f in FIELDS)
        raise UsageError(f"the output template has an unknown field {{{unknown[0]}}}; use {known}")
    if not {"stem", "folder", "parent"} & set(names):
        raise UsageError("the output template gives every result the same name; add {stem}")
    ending = FORMATS.get(Path(text).suffix.lower())
    if suffix is not None and ending not in (None, FORMATS[suffix]):
        raise UsageError(f"--format {suffix[1:]} contradicts the template {text!r}; end it in {{ext}}")
    return text


def named(found: list[Item], suffix: str | None) -> list[Item]:
    """Items with names that differ whatever the sizes of the results will be."""

    def place(item: Item, stem: str) -> str:
        ending = suffix or images.writable_suffix(item.source.suffix)
        if item.template is None:
            return str(item.folder / f"{stem}{ending}").casefold()
        return str(filled(item, stem, ending, dict.fromkeys(FIELDS, ""))).casefold()

    plain = Counter(place(item, item.source.stem) for item in found)
    taken: set[str] = set()
    items = []
    for item in found:
        stem = item.source.stem
        if plain[place(item, stem)] > 1:
            stem = f"{stem}_{item.source.suffix[1:]}"
        name, number = stem, 2
        while (where := place(item, name)) in taken:
            name, number = f"{stem}_{number}", number + 1
            if place(item, name) == where:
                raise UsageError(
                    f"the output template gives {item.source} the same name as another result; add {{stem}}"
                )
        taken.add(place(item, name))
        items.append(replace(item, name=name))
    return items


def filled(item: Item, stem: str, ending: str, values: dict[str, str]) -> Path:
    """The path that the item's template gives, with a suffix for the format."""
    assert item.template is not None, "the caller checks"
    common = {"stem": stem, "ext": ending, "parent": resolved(item.source).parent.name, "folder": item.below.as_posix()}
    path = Path(item.template.format(**values | common))
    has_suffix = Path(item.template).suffix.lower() in FORMATS or item.template.endswith("{ext}")
    return path if has_suffix else path.with_name(path.name + ending)


def output_path(
    item: Item, source: Size, target: Target, suffix: str | None, *, model: str = "", animated: bool = False
) -> Path:
    """The path of an item's result, given the size of its picture."""
    if item.file is not None:
        return item.file
    ending = suffix or images.writable_suffix(item.source.suffix, animated=animated)
    if item.template is None:
        return item.folder / f"{item.name}_{target.label(source)}{ending}"
    size = target.size(source)
    values = {"width": f"{size.width}", "height": f"{size.height}", "scale": f"{target.factor(source):g}"}
    return filled(item, item.name, ending, values | {"model": model})
