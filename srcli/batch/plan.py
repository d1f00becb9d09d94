"""Plan a run: which pictures it processes and where the results go."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from srcli.batch.names import STREAM, Item, UsageError, checked_template, named, resolved
from srcli.images.encode import FORMATS
from srcli.images.made import recorded
from srcli.images.read import SUFFIXES
from srcli.weights import manifest

RESULT = re.compile(r"(.+)_(?:x\d+(?:\.\d+)?|\d+x\d+)")
WITH_MODEL = re.compile(RESULT.pattern + "_(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files of the input folders to process.

    include, exclude: globs that match names or paths relative to the folder.
    shard: (i, n), the i-th of n parts, counted from 1.
    """

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)

    def includes(self, below: Path) -> bool:
        names = (below.name, below.as_posix())
        included = not self.include or any(fnmatch(n, g) for g in self.include for n in names)
        return included and not any(fnmatch(n, g) for g in self.exclude for n in names)

    def in_shard(self, item: Item) -> bool:
        """Whether a file belongs to this shard.

        It depends only on the path relative to the input, so adding files or mounting the folder elsewhere changes
        nothing for the others.
        """
        number, count = self.shard
        digest = hashlib.sha256(os.fsencode((item.below / item.source.name).as_posix())).digest()
        return int.from_bytes(digest[:8], "big") % count == number - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    left_out: pictures in folders that look like results of earlier runs.
    many: whether this is a batch, which keeps ledgers.
    sources: the inputs of all shards, resolved.
    renamed: items whose results got another name to avoid a clash.
    """

    items: list[Item]
    _: KW_ONLY
    left_out: list[Path] = field(default_factory=list)
    many: bool = False
    sources: frozenset[Path] = frozenset()
    renamed: list[Item] = field(default_factory=list)


def parse_shard(text: str) -> tuple[int, int]:
    """Parse I/N, 1 <= I <= N. Raises UsageError."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard must be I/N with 1 <= I <= N, such as 2/4, not {text!r}")
    return int(match[1]), int(match[2])


def plan(
    inputs: Iterable[Path],
    out: Path | None,
    selection: Selection | None = None,
    *,
    suffix: str | None = None,
    results: re.Pattern[str] = RESULT,
) -> Plan:
    """The items of a run, in the order given, sorted by name within folders. Raises UsageError.

    inputs: files, or folders whose pictures are used; their subfolders are kept under `out`. A missing path or a folder
        without pictures stays an item that fails when its turn comes.
    out: a template if it contains braces; a file if there is a single input file and `out` ends in an image suffix;
        otherwise a folder. None puts each result beside its input.
    suffix: format of the results; None keeps that of each input.
    results: pattern of the names of results, whose first group is the input's stem; matching pictures in folders are
        left out.
    If two results would get the same name, the inputs' suffixes are added to them, then numbers.
    """
    selection, inputs = selection or Selection(), _unique(inputs)
    if STREAM in inputs:
        return _streamed(inputs, out, suffix)
    if out == STREAM and (len(inputs) != 1 or inputs[0].is_dir()):
        raise UsageError("standard output takes a single picture; use a folder for several inputs")
    template = None if out is None or "{" not in str(out) else checked_template(str(out), suffix)
    root = out if template is None else _fixed_part(template)
    if many := len(inputs) > 1 or any(path.is_dir() for path in inputs):
        _check_folder(root, template)
    found, left_out = _found(inputs, root, selection, results)
    sources = frozenset(resolved(item.source) for item in found)
    if not many:
        _check_single(inputs[0], out, suffix)
        if template is None and out is not None and (out == STREAM or _names_a_file(out)):
            single = (replace(item, folder=out.parent, file=out) for item in found)
            return Plan(list(filter(selection.in_shard, single)), sources=sources)
    # Names come first, so that they are the same in all shards.
    with_names = named([replace(item, template=template) for item in found], suffix)
    items = list(filter(selection.in_shard, with_names))
    renamed = [item for item in items if item.name != item.source.stem]
    return Plan(items, left_out=left_out, many=many, sources=sources, renamed=renamed)


def _check_folder(root: Path | None, template: str | None) -> None:
    """Raise UsageError if `root` cannot hold several results."""
    if root is None:
        return
    if template is None and _names_a_file(root):
        raise UsageError(f"{root} is a single file, but there are several inputs; use a folder instead")
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; use a folder for several results")


def _unique(inputs: Iterable[Path]) -> list[Path]:
    seen: dict[Path, Path] = {}
    for path in inputs:
        seen.setdefault(path if path == STREAM else resolved(path), path)
    return list(seen.values())


def _streamed(inputs: list[Path], out: Path | None, suffix: str | None) -> Plan:
    """The plan for a picture from standard input."""
    if len(inputs) != 1:
        raise UsageError("standard input is a single picture; process other inputs in a separate run")
    out = out or STREAM
    if out == STREAM or _names_a_file(out):
        _check_single(STREAM, out, suffix)
        return Plan([Item(STREAM, out.parent, file=out)])
    return Plan([Item(STREAM, out, name="stdin")])


def _names_a_file(out: Path) -> bool:
    return out.suffix.lower() in FORMATS and not out.is_dir()


def _check_single(source: Path, out: Path | None, suffix: str | None) -> None:
    """Raise UsageError if the output name cannot be used for a single picture."""
    if out is None or out == STREAM or out.is_dir():
        return
    if out.exists() and not out.is_file():
        raise UsageError(f"{out} is a device; use -o - for standard output")
    if _names_a_file(out):
        if suffix is not None and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UsageError(f"--format {suffix[1:]} contradicts the name {out.name}")
    elif out.suffix and "{" not in str(out):
        raise UsageError(
            f"cannot write {out.suffix} files; use one of {', '.join(sorted(FORMATS))}, or an existing folder"
        )


def _fixed_part(template: str) -> Path:
    """The folder before the first field."""
    return Path(template[: template.index("{")] + "x").parent


def _found(
    inputs: Sequence[Path], out: Path | None, selection: Selection, names: re.Pattern[str]
) -> tuple[list[Item], list[Path]]:
    """The items of the inputs, and the pictures left out because they look like results."""
    found: list[Item] = []
    left_out: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            found.append(Item(path, out or path.parent, root=out or path.parent))
            continue
        inside, closed = _pictures(path, out, selection)
        if not inside and not closed:
            closed = [path]  # it fails with the reason when its turn comes
        found += [Item(folder, out or path, root=out or path) for folder in closed]
        results = set(_results(inside, names))
        left_out += sorted(results)
        for picture in inside:
            below, root = picture.relative_to(path), out or path
            if picture not in results and selection.includes(below):
                found.append(Item(picture, root / below.parent, below=below.parent, root=root, found=True))
    return found, left_out


def _pictures(folder: Path, out: Path | None, selection: Selection) -> tuple[list[Path], list[Path]]:
    """Picture files of a folder, sorted, and folders that cannot be read.

    Hidden files, hidden folders and `out` are ignored. Links to files are followed, links to folders are not; broken
    links stay in the list and fail later.
    """
    pictures: list[Path] = []
    closed: list[Path] = []
    excluded = None if out is None or resolved(out) == resolved(folder) else resolved(out)
    for at, below, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        here = Path(at)
        if excluded and resolved(here) == excluded:
            below.clear()
            continue
        below[:] = [name for name in below if selection.recursive and not name.startswith(".")]
        for path in (here / name for name in names if not name.startswith(".")):
            if path.suffix.lower() in SUFFIXES and (path.is_file() or (path.is_symlink() and not path.exists())):
                pictures.append(path)
    return sorted(pictures), sorted(closed)


def _results(found: list[Path], names: re.Pattern[str]) -> list[Path]:
    """The files that look like results of other files in the list, such as a_x2.png beside a.png."""
    stems = {(p.parent, name) for p in found for name in (p.stem, f"{p.stem}_{p.suffix[1:]}")}

    def looks_made(path: Path) -> bool:
        if (made := names.fullmatch(path.stem)) and (path.parent, made[1]) in stems:
            return True
        made = WITH_MODEL.fullmatch(path.stem) if names is RESULT else None
        if made is None or (path.parent, made[1]) not in stems:
            return False
        return made[2] in manifest.load().entries or (recorded(path) or {}).get("model") == made[2]

    return [p for p in found if looks_made(p)]
