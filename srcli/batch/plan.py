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
    """One file to work on. `folder` is where its result goes; the name depends on the picture's size. `root` is the
    folder whose ledger knows of it."""

    source: Path
    folder: Path
    name: str = ""  # first part of the result's name
    file: Path | None = None  # the exact output, where the person named one
    below: Path = Path()  # folder of the source below the input that it was found in
    template: str | None = None
    root: Path = Path()
    found: bool = False  # in a folder, not named


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
        return included and not any(fnmatch(n, g) for g in self.exclude for n in names)

    def mine(self, item: Item) -> bool:
        """Whether a file belongs to this shard: by its path below the input alone, so that others added later change
        nothing, nor does where a machine has mounted the folder."""
        number, count = self.shard
        digest = hashlib.sha256(os.fsencode((item.below / item.source.name).as_posix())).digest()
        return int.from_bytes(digest[:8], "big") % count == number - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """left_out: pictures in folders that look like results of earlier runs. many: whether it is a batch, which keeps
    ledgers. sources: inputs of all shards, resolved. renamed: items whose results would else have the same name."""

    items: list[Item]
    left_out: list[Path] = field(default_factory=list)
    many: bool = False
    sources: frozenset[Path] = frozenset()
    renamed: list[Item] = field(default_factory=list)


def parse_shard(text: str) -> tuple[int, int]:
    """I/N with 1 <= I <= N."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"shard {text!r} is not I/N with I from 1 to N, e.g. 2/4")
    return int(match[1]), int(match[2])


def plan(
    inputs: Iterable[Path], out: Path | None, choice: Choice | None = None, *, suffix: str | None = None,
    results: re.Pattern[str] = RESULT,
) -> Plan:  # fmt: skip
    """The items of a run, in the order given and by name within folders. Raises UsageError.

    `out` is a template where it has braces; a file when there is one input file and it ends in an image suffix; else a
    folder. By default results lie beside their inputs. Folders give their pictures, recursively also those of folders
    below, whose structure is kept under `out`. A path that does not exist and a folder without pictures stay items:
    they fail when their turn comes. Inputs whose results would have the same name are told apart by their suffix, then
    by a number. results: how such a run names what it makes of the first group; pictures in folders that look so are
    left out.
    """
    choice, inputs = choice or Choice(), _unique(inputs)
    if STREAM in inputs:
        return _streamed(inputs, out, suffix)
    if out == STREAM and (len(inputs) != 1 or inputs[0].is_dir()):
        raise UsageError("standard output takes one picture; give a folder for several inputs")
    template = None if out is None or "{" not in str(out) else checked_template(str(out), suffix)
    root = out if template is None else _fixed_part(template)
    many = len(inputs) > 1 or any(path.is_dir() for path in inputs)
    if many and root is not None:
        _check_folder(root, template)
    found, left_out = _found(inputs, root, choice, results)
    sources = frozenset(resolved(item.source) for item in found)
    if not many:
        _check_single(inputs[0], out, suffix)
        if template is None and out is not None and (out == STREAM or _names_a_file(out)):
            found = [replace(item, folder=out.parent, file=out) for item in found]
            return Plan([item for item in found if choice.mine(item)], sources=sources)
    named = _named([replace(item, template=template) for item in found], suffix)
    # Names come first, so that they are the same in all shards.
    items = [item for item in named if choice.mine(item)]
    renamed = [item for item in items if item.name != item.source.stem]
    return Plan(items, left_out, many, sources, renamed)


def resolved(path: Path) -> Path:
    """Where a path leads, also one that leads nowhere or in a circle."""
    return Path(os.path.realpath(path))


def _check_folder(root: Path, template: str | None) -> None:
    """Raise for a place that cannot hold several results."""
    if template is None and _names_a_file(root):
        raise UsageError(f"{root} is one file, but there are several inputs; give a folder")
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; give a folder for several results")


def _unique(inputs: Iterable[Path]) -> list[Path]:
    seen: dict[Path, Path] = {}
    for path in inputs:
        seen.setdefault(path if path == STREAM else resolved(path), path)
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


def checked_template(text: str, suffix: str | None = None) -> str:
    """A template whose fields are known. Raises UsageError."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        if not (unknown := [n for n in names if n not in FIELDS]):
            text.format(**dict.fromkeys(FIELDS, "1"))
    except (ValueError, LookupError) as error:
        raise UsageError(f"the output template {text!r} is wrong: {error}") from None
    if unknown:
        known = ", ".join("{" + f + "}" for f in FIELDS)
        raise UsageError(f"the output template has an unknown field {{{unknown[0]}}}; there are {known}")
    if not {"stem", "folder", "parent"} & set(names):
        raise UsageError("the output template gives all results the same name; use {stem}")
    ending = FORMATS.get(Path(text).suffix.lower())
    if suffix is not None and ending not in (None, FORMATS[suffix]):
        raise UsageError(f"--format {suffix[1:]} contradicts the template {text!r}; end it in {{ext}}")
    return text


def _fixed_part(template: str) -> Path:
    """The folder before the first field."""
    return Path(template[: template.index("{")] + "x").parent


def _found(
    inputs: Sequence[Path], out: Path | None, choice: Choice, names: re.Pattern[str]
) -> tuple[list[Item], list[Path]]:
    found: list[Item] = []
    left_out: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            found.append(Item(path, out or path.parent, root=out or path.parent))
            continue
        inside, closed = _pictures(path, out, choice)
        if not inside and not closed:
            closed = [path]  # it says so when its turn comes
        found += [Item(folder, out or path, root=out or path) for folder in closed]
        results = set(_results(inside, names))
        left_out += sorted(results)
        for picture in inside:
            below, root = picture.relative_to(path), out or path
            if picture not in results and choice.takes(below):
                found.append(Item(picture, root / below.parent, below=below.parent, root=root, found=True))
    return found, left_out


def _pictures(folder: Path, out: Path | None, choice: Choice) -> tuple[list[Path], list[Path]]:
    """Picture files of a folder by name, and folders that cannot be read. Hidden files and folders, and `out` where it
    lies inside, are left alone; links to folders are not followed, links to files are, and those to nowhere will fail.
    """
    pictures: list[Path] = []
    closed: list[Path] = []
    apart = None if out is None or resolved(out) == resolved(folder) else resolved(out)
    for at, below, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        here = Path(at)
        if apart and resolved(here) == apart:
            below.clear()
            continue
        below[:] = [name for name in below if choice.recursive and not name.startswith(".")]
        for path in (here / name for name in names if not name.startswith(".")):
            if path.suffix.lower() in SUFFIXES and (path.is_file() or (path.is_symlink() and not path.exists())):
                pictures.append(path)
    return sorted(pictures), sorted(closed)


def _results(found: list[Path], names: re.Pattern[str]) -> list[Path]:
    """Files that look like results of others among them: a_x2.png beside a.png was made by an earlier run."""
    stems = {(p.parent, name) for p in found for name in (p.stem, f"{p.stem}_{p.suffix[1:]}")}
    return [p for p in found if (made := names.fullmatch(p.stem)) and (p.parent, made[1]) in stems]


def _named(found: list[Item], suffix: str | None) -> list[Item]:
    """Items whose results have different names, whatever their sizes will be."""

    def place(item: Item, stem: str) -> str:
        ending = suffix or images.writable_suffix(item.source.suffix)
        if item.template is None:
            return str(item.folder / f"{stem}{ending}").casefold()
        return str(filled(item, stem, ending, dict.fromkeys(FIELDS, ""))).casefold()

    plain = Counter(place(item, item.source.stem) for item in found)
    taken: set[str] = set()
    items = []
    for item in found:
        own = item.source.stem
        stem = own if plain[place(item, own)] == 1 else f"{own}_{item.source.suffix[1:]}"
        name, number = stem, 2
        while (where := place(item, name)) in taken:
            name, number = f"{stem}_{number}", number + 1
            if place(item, name) == where:
                raise UsageError(f"the output template gives {item.source} the name of another result; add {{stem}}")
        taken.add(place(item, name))
        items.append(replace(item, name=name))
    return items


def filled(item: Item, stem: str, ending: str, values: dict[str, str]) -> Path:
    """The template's path, with a suffix that says the format."""
    assert item.template is not None, "asked before"
    own = {"stem": stem, "ext": ending, "parent": resolved(item.source).parent.name, "folder": item.below.as_posix()}
    path = Path(item.template.format(**values | own))
    said = Path(item.template).suffix.lower() in FORMATS or item.template.endswith("{ext}")
    return path if said else path.with_name(path.name + ending)


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
    values = {"width": f"{size.width}", "height": f"{size.height}", "scale": f"{target.factor(source):g}"}
    return filled(item, item.name, ending, values | {"model": model})
