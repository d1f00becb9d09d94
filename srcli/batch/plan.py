"""What a run will do: which pictures, where their results go, and how those are named."""

from __future__ import annotations

import hashlib
import os
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from srcli import images
from srcli.errors import SrcliError
from srcli.geometry import Size, Target
from srcli.images.encode import FORMATS
from srcli.images.read import SUFFIXES

STREAM = Path("-")  # standard input or output
RESULT = re.compile(r"(.+)_(?:x\d+(?:\.\d+)?|\d+x\d+)")
FIELDS = ("stem", "ext", "scale", "width", "height", "model", "parent", "folder")


class InputError(SrcliError):
    """Inputs from which no job can be made."""


class UsageError(SrcliError):
    """Options that contradict each other."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One file to work on. `folder` is where its result goes; the name depends on the picture's size."""

    source: Path
    folder: Path
    name: str = ""  # first part of the result's name
    file: Path | None = None  # the exact output, where the person named one
    below: Path = Path()  # folder of the source below the input that it was found in
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of folders are taken. include, exclude: globs of names or of paths below the folder. shard: (i, n),
    the i-th of n parts, from 1."""

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)

    def takes(self, below: Path) -> bool:
        names = (below.name, below.as_posix())
        included = not self.include or any(fnmatch(n, g) for g in self.include for n in names)
        return included and not any(fnmatch(n, g) for g in self.exclude for n in names) and self.mine(below)

    def mine(self, below: Path) -> bool:
        """Whether a file belongs to this shard: by its path alone, so that others added later change nothing."""
        number, count = self.shard
        digest = hashlib.sha256(os.fsencode(below.as_posix())).digest()
        return int.from_bytes(digest[:8], "big") % count == number - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """left_out: pictures in folders that look like results of earlier runs. many: whether it is a batch, which keeps a
    ledger in `root`."""

    items: list[Item]
    left_out: list[Path] = field(default_factory=list)
    many: bool = False
    root: Path = Path()


def parse_shard(text: str) -> tuple[int, int]:
    """I/N with 1 <= I <= N."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"shard {text!r} is not I/N with I from 1 to N, e.g. 2/4")
    return int(match[1]), int(match[2])


def plan(inputs: Iterable[Path], out: Path | None, choice: Choice | None = None, *, suffix: str | None = None) -> Plan:
    """The items of a run, in the order given and by name within folders.

    `out` is a template where it has braces; a file when there is one input file and it ends in an image suffix; else a
    folder. By default results lie beside their inputs. Folders give their pictures, recursively also those of folders
    below, whose structure is kept under `out`. A path that does not exist and a folder without pictures stay items:
    they fail when their turn comes. Inputs whose results would have the same name are told apart by their suffix, then
    by a number.
    """
    choice, inputs = choice or Choice(), _unique(inputs)
    if STREAM in inputs:
        return _streamed(inputs, out, suffix)
    if out == STREAM and (len(inputs) != 1 or inputs[0].is_dir()):
        raise UsageError("standard output takes one picture; give a folder for several inputs")
    template = None if out is None or "{" not in str(out) else checked_template(str(out))
    root = out if template is None else _fixed_part(template)
    found, left_out = _found(inputs, root, choice)
    many = len(inputs) > 1 or any(path.is_dir() for path in inputs)
    if not many:
        _check_single(inputs[0], out, suffix)
        if template is None and out is not None and (out == STREAM or _names_a_file(out)):
            return Plan([replace(found[0], folder=out.parent, file=out)] if found else [])
    if many and out is not None and template is None and _names_a_file(out):
        raise UsageError(f"{out} is one file, but there are several inputs; give a folder")
    base = root or (inputs[0] if inputs and inputs[0].is_dir() else Path())
    return Plan(_named([replace(i, template=template) for i in found], suffix), left_out, many, base)


def _unique(inputs: Iterable[Path]) -> list[Path]:
    seen: dict[Path, Path] = {}
    for path in inputs:
        seen.setdefault(path if path == STREAM else path.resolve(), path)
    return list(seen.values())


def _streamed(inputs: list[Path], out: Path | None, suffix: str | None) -> Plan:
    """One picture from standard input."""
    if len(inputs) != 1:
        raise UsageError("standard input is one picture; other inputs need a run of their own")
    out = out or STREAM
    if out == STREAM or _names_a_file(out):
        _check_single(STREAM, out, suffix)
        return Plan([Item(STREAM, out.parent, file=out)])
    return Plan([Item(STREAM, out, name="stdin")])


def _names_a_file(out: Path) -> bool:
    return out.suffix.lower() in FORMATS and not out.is_dir()


def _check_single(source: Path, out: Path | None, suffix: str | None) -> None:
    """Raise for an output name that cannot be meant."""
    if out is None or out == STREAM or out.is_dir():
        return
    if _names_a_file(out):
        if suffix is not None and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UsageError(f"--format {suffix[1:]} contradicts the name {out.name}")
    elif out.suffix and "{" not in str(out):
        raise UsageError(f"cannot write {out.suffix} files; use {', '.join(sorted(FORMATS))}, or a folder that exists")


def checked_template(text: str) -> str:
    """A template whose fields are known. Raises UsageError."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise UsageError(f"the output template {text!r} is wrong: {error}") from None
    if unknown := [n for n in names if n not in FIELDS]:
        known = ", ".join("{" + f + "}" for f in FIELDS)
        raise UsageError(f"the output template has an unknown field {{{unknown[0]}}}; there are {known}")
    if not {"stem", "folder", "parent"} & set(names):
        raise UsageError("the output template gives all results the same name; use {stem}")
    return text


def _fixed_part(template: str) -> Path:
    """The folder before the first field."""
    return Path(template[: template.index("{")] + "x").parent


def _found(inputs: Sequence[Path], out: Path | None, choice: Choice) -> tuple[list[Item], list[Path]]:
    found: list[Item] = []
    left_out: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            if choice.mine(Path(path.name)):
                found.append(Item(path, out or path.parent))
            continue
        try:
            inside = _pictures(path, out, choice)
        except OSError:
            inside = []  # its turn will come
        if not inside:
            found.append(Item(path, out or path))
        results = set(_results(inside))
        left_out += sorted(results)
        for picture in inside:
            below = picture.relative_to(path)
            if picture not in results and choice.takes(below):
                found.append(Item(picture, (out or path) / below.parent, below=below.parent))
    return found, left_out


def _pictures(folder: Path, out: Path | None, choice: Choice) -> list[Path]:
    """Picture files of a folder by name; hidden files and folders, and `out` where it lies inside, are left alone."""
    files = folder.rglob("*") if choice.recursive else folder.iterdir()
    apart = None if out is None or out.resolve() == folder.resolve() else out.resolve()
    return sorted(
        p
        for p in files
        if p.suffix.lower() in SUFFIXES
        and p.is_file()
        and not any(part.startswith(".") for part in p.relative_to(folder).parts)
        and not (apart and p.resolve().is_relative_to(apart))
    )


def _results(found: list[Path]) -> list[Path]:
    """Files that look like results of others among them: a_x2.png beside a.png was made by an earlier run."""
    stems = {(p.parent, name) for p in found for name in (p.stem, f"{p.stem}_{p.suffix[1:]}")}
    return [p for p in found if (made := RESULT.fullmatch(p.stem)) and (p.parent, made[1]) in stems]


def _named(found: list[Item], suffix: str | None) -> list[Item]:
    """Items whose results have different names, whatever their sizes will be."""

    def place(item: Item, stem: str) -> str:
        ending = suffix or images.writable_suffix(item.source.suffix)
        if item.template is None:
            return str(item.folder / f"{stem}{ending}").casefold()
        blank = dict.fromkeys(FIELDS, "") | _fields(item, stem, ending)
        return item.template.format(**blank).casefold()

    plain = Counter(place(item, item.source.stem) for item in found)
    taken: set[str] = set()
    items = []
    for item in found:
        own = item.source.stem
        stem = own if plain[place(item, own)] == 1 else f"{own}_{item.source.suffix[1:]}"
        name, number = stem, 2
        while place(item, name) in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(place(item, name))
        items.append(replace(item, name=name))
    return items


def _fields(item: Item, stem: str, ending: str) -> dict[str, str]:
    parent = item.source.resolve().parent.name
    return {"stem": stem, "ext": ending, "parent": parent, "folder": item.below.as_posix()}


def output_path(
    item: Item, source: Size, target: Target, suffix: str | None, *, model: str = "", animated: bool = False
) -> Path:
    """Where the result of an item goes, once its picture is known."""
    if item.file is not None:
        return item.file
    ending = suffix or images.writable_suffix(item.source.suffix, animated=animated)
    if item.template is None:
        return item.folder / f"{item.name}_{target.label(source)}{ending}"
    size = target.size(source)
    sizes = {"width": f"{size.width}", "height": f"{size.height}", "scale": f"{target.factor(source):g}"}
    path = Path(item.template.format(**_fields(item, item.name, ending), **sizes, model=model))
    return path if path.suffix.lower() in FORMATS else path.with_name(path.name + ending)
