"""Many files: what to read, where to write, and one record per file whatever happens to it."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import images
from srcli.errors import OutOfMemory, SrcliError
from srcli.geometry import Size, Target
from srcli.images.read import SUFFIXES
from srcli.images.write import FORMATS

if TYPE_CHECKING:
    from srcli.pipelines.base import Sampling
    from srcli.upscaler import Upscaler


class InputError(SrcliError):
    """Inputs from which no job can be made."""


class UsageError(SrcliError):
    """Options that contradict each other."""

    exit_code = 2


Progress = Callable[["Item", int, int], None]
RESULT = re.compile(r"(.+)_(?:x\d+(?:\.\d+)?|\d+x\d+)")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to make. `folder` is where its result goes; the name depends on the picture's size."""

    source: Path
    folder: Path
    name: str = ""  # first part of the result's name
    file: Path | None = None  # the exact output, where the person named one


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one file: status is done, failed, skipped or, in a dry run, planned."""

    input: str
    status: str
    output: str | None = None
    error: str | None = None
    exit_code: int = 0
    width: int | None = None
    height: int | None = None
    scale: float | None = None
    seconds: float | None = None
    tiles: int | None = None
    redone_tiles: int | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None and k != "exit_code"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do. left_out: pictures in folders that look like results of earlier runs."""

    items: list[Item]
    left_out: list[Path]


def plan(inputs: Iterable[Path], out: Path | None, *, recursive: bool = False, suffix: str | None = None) -> Plan:
    """The items of a run, in the order given and by name within folders.

    `out` is a file when there is one input file and it ends in an image suffix, else a folder; by default results
    lie beside their inputs. Folders give their pictures, with `recursive` also those of folders below, whose
    structure is kept under `out`. A path that does not exist and a folder without pictures stay items: they fail
    when their turn comes. Inputs whose results would have the same name are told apart by their suffix, then by a
    number.
    """
    unique: dict[Path, Path] = {}
    for path in inputs:
        unique.setdefault(path.resolve(), path)
    inputs = list(unique.values())
    found: list[tuple[Path, Path]] = []
    left_out: list[Path] = []
    for path in inputs:
        if path.is_dir():
            try:
                inside = _pictures(path, recursive, out)
            except OSError:
                inside = []  # its turn will come
            results = _results(inside)
            left_out += results
            inside = [p for p in inside if p not in set(results)]
            found += [(p, (out or path) / p.parent.relative_to(path)) for p in inside]
            if not inside:
                found.append((path, out or path))
        else:
            found.append((path, out or path.parent))
    if out is not None and out.suffix.lower() in FORMATS and not out.is_dir():
        if len(inputs) != 1 or inputs[0].is_dir():
            raise UsageError(f"{out} is one file, but there are several inputs; give a folder")
        if suffix is not None and FORMATS[suffix] != FORMATS[out.suffix.lower()]:
            raise UsageError(f"--format {suffix[1:]} contradicts the name {out.name}")
        return Plan([Item(found[0][0], out.parent, file=out)], left_out)
    if out is not None and out.suffix and len(inputs) == 1 and not inputs[0].is_dir() and not out.is_dir():
        known = ", ".join(sorted(FORMATS))
        raise UsageError(f"cannot write {out.suffix} files; use {known}, or a folder that exists")
    return Plan(_named(found, suffix), left_out)


def _named(found: list[tuple[Path, Path]], suffix: str | None) -> list[Item]:
    """Items whose results have different names, whatever their sizes will be."""

    def ending(path: Path) -> str:
        return suffix or images.writable_suffix(path.suffix)

    plain = Counter((folder, p.stem.casefold(), ending(p)) for p, folder in found)
    taken: set[tuple[Path, str, str]] = set()
    items = []
    for path, folder in found:
        stem = path.stem if plain[folder, path.stem.casefold(), ending(path)] == 1 else f"{path.stem}_{path.suffix[1:]}"
        name, number = stem, 2
        while (folder, name.casefold(), ending(path)) in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add((folder, name.casefold(), ending(path)))
        items.append(Item(path, folder, name))
    return items


def _pictures(folder: Path, recursive: bool, out: Path | None) -> list[Path]:
    """Picture files of a folder by name; hidden files and folders, and `out` where it lies inside, are left alone."""
    files = folder.rglob("*") if recursive else folder.iterdir()
    apart = None if out is None or out.resolve() == folder.resolve() else out.resolve()
    return sorted(
        p
        for p in files
        if p.suffix.lower() in SUFFIXES
        and p.is_file()
        and not any(part.startswith(".") for part in p.relative_to(folder).parts)
        and not (apart and p.resolve().is_relative_to(apart))
    )


def _results(files: list[Path]) -> list[Path]:
    """Files that look like results of others among them: a_x2.png beside a.png was made by an earlier run."""
    stems = {(p.parent, name) for p in files for name in (p.stem, f"{p.stem}_{p.suffix[1:]}")}
    return [p for p in files if (made := RESULT.fullmatch(p.stem)) and (p.parent, made[1]) in stems]


def output_path(item: Item, source: Size, target: Target, suffix: str | None) -> Path:
    """Where the result of an item goes, once the size of its picture is known."""
    if item.file is not None:
        return item.file
    ending = suffix or images.writable_suffix(item.source.suffix)
    return item.folder / f"{item.name}_{target.label(source)}{ending}"


@dataclass(frozen=True, slots=True)
class Options:
    """How results are written. suffix: of the result, None for that of the input; quality: of JPEG and WebP."""

    suffix: str | None = None
    quality: int = 95
    overwrite: bool = False
    dry_run: bool = False


def run(
    items: list[Item],
    upscaler: Upscaler,
    target: Target,
    sampling: Sampling,
    options: Options,
    progress: Progress = lambda item, done, total: None,
) -> Iterator[Record]:
    """One record per item. A file that fails does not stop the others; a usage error of a single file is raised."""
    sources = {item.source.resolve() for item in items}
    log = logging.getLogger("srcli")
    for item in items:
        try:
            yield _one(item, sources, upscaler, target, sampling, options, progress)
        except SrcliError as error:
            log.debug("%s", item.source, exc_info=True)
            if error.exit_code == UsageError.exit_code and len(items) == 1:
                raise
            yield Record(str(item.source), "failed", error=str(error), exit_code=error.exit_code)
        except Exception as error:
            # A bug or a library's surprise with one file must not cost the others.
            from srcli.runtime import is_out_of_memory

            log.debug("%s", item.source, exc_info=True)
            text, code = f"{item.source}: unexpected {type(error).__name__}: {error}", 1
            if is_out_of_memory(error):
                text, code = f"{item.source}: not enough memory", OutOfMemory.exit_code
            elif isinstance(error, OSError):
                text = f"{item.source}: {error.strerror or error}"
            yield Record(str(item.source), "failed", error=" ".join(text.split()), exit_code=code)


def _one(
    item: Item,
    sources: set[Path],
    upscaler: Upscaler,
    target: Target,
    sampling: Sampling,
    options: Options,
    progress: Progress,
) -> Record:
    if item.source.is_dir():
        list(os.scandir(item.source))  # a folder that cannot be read says why
        raise InputError(f"no pictures in {item.source}; --recursive also takes those of folders below")
    picture = images.read(item.source)
    size = upscaler.size_for(picture.size, target)
    path = output_path(item, picture.size, target, options.suffix)
    record = Record(
        str(item.source),
        "planned",
        output=str(path),
        width=size.width,
        height=size.height,
        scale=target.factor(picture.size),
        notes=picture.notes,
    )
    if os.path.exists(path) and path.resolve() in sources:  # not Path.exists: it raises for names that are too long
        raise UsageError(f"{path} is an input itself; give another output")
    if os.path.lexists(path) and not options.overwrite:
        return replace(record, status="skipped", error=f"{path} exists; --overwrite replaces it")
    if options.dry_run:
        return record
    with images.Destination(path, size, overwrite=options.overwrite) as destination:
        result = upscaler.run(picture, target, sampling, lambda done, total: progress(item, done, total))
        notes = picture.notes + destination.write(result.picture, options.quality)
    if result.exploded:
        notes += (f"the flow's inverse exploded in {result.exploded} patches, which were made again with less heat",)
    if result.redone_tiles:
        notes += (f"{result.redone_tiles} of {result.tiles} tiles were not finite and were made again in float32",)
    seconds = round(result.seconds, 3)
    return replace(
        record, status="done", seconds=seconds, tiles=result.tiles, redone_tiles=result.redone_tiles, notes=notes
    )


def exit_code(records: list[Record]) -> int:
    """0 all done; 3 some failed; for a run in which nothing was done, the code of its failures (1 if they differ)."""
    failed = [r for r in records if r.status == "failed"]
    if not failed:
        return 1 if len(records) == 1 and records[0].status == "skipped" else 0
    if len(failed) < len(records):
        return 3
    codes = {r.exit_code for r in failed}
    return codes.pop() if len(codes) == 1 else 1
