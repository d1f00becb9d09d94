"""A whole file, downloaded or given, to its place: checked, converted if need be, and only then named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from srcli.errors import SrcliError
from srcli.weights import cache as home
from srcli.weights import store
from srcli.weights.manifest import Part
from srcli.weights.store import WeightsMissing, kept

Take = Callable[[Path, Path], object]


class WrongFile(SrcliError):
    """A file that is not what was asked for."""

    exit_code = 4


def keep(path: Path, part: Part, source: str, take: Take = shutil.copyfile, promised: str | None = None) -> Path:
    """Give a file its place, if it is what the manifest, its sender (`promised`: a hash) and an earlier pin say. It is
    taken (copied, moved, linked) first, so that what is checked is what is kept. Raises WrongFile, or HomeError."""
    to = kept(part)
    raw, ready = (home.make(to.parent) / f".{to.name}.{step}" for step in ("raw", "ready"))
    try:
        raw.unlink(missing_ok=True)
        take(path, raw)
        digest, size = store.sha256(raw), raw.stat().st_size
        _check(part, digest, size, source, promised)
        converted = _prepare(raw, part, ready, source)
        state = ready.stat()
        kept_digest = store.sha256(ready) if converted else digest
        pin = home.Pin(source, home.today(), digest, size, kept_digest, state.st_size, state.st_mtime_ns)
        home.pin(part.file, pin)
        ready.replace(to)
    except OSError as error:
        raise home.HomeError(f"cannot write {to}: {error.strerror or error}") from None
    finally:
        for mine in (raw, ready):
            mine.unlink(missing_ok=True)
    return to


def _check(part: Part, digest: str, size: int, source: str, promised: str | None) -> None:
    if part.bytes is not None and size != part.bytes:
        raise WrongFile(f"{part.file} from {source} has {size:,} bytes, not {part.bytes:,}")
    if not store.agrees(part, digest):
        said = part.sha256 or part.starts
        raise WrongFile(f"{part.file} from {source} is another file: sha256 {digest[:12]}..., not {said[:12]}...")
    if promised not in (None, digest):
        raise WrongFile(f"{part.file} from {source} came damaged: its hash is not what {source} says itself")
    pin = home.pins().get(part.file)
    if pin is not None and pin.sha256 != digest:
        raise WrongFile(
            f"{part.file} from {source} is not what it was on {pin.date} (sha256 {digest[:12]}..., then "
            f"{pin.sha256[:12]}...); if you trust the change: srcli models rm --file {part.file} --forget"
        )


def _prepare(raw: Path, part: Part, ready: Path, source: str) -> bool:
    """The file as it will lie here, under another name; whether it was converted. Raises WrongFile."""
    from srcli.weights.convert import ConvertError, convert, write

    if part.plain or part.file.endswith(".safetensors"):
        try:
            said = store.metadata(raw).get("architecture")
        except WeightsMissing as error:
            raise WrongFile(f"{part.file} from {source} is not a readable safetensors file: {error}") from None
        if part.plain or said is not None:
            _compare(part, _parsed(said), source)
            raw.replace(ready)
            return False
    try:
        converted = convert(raw, part.role)
        if converted.role != part.role:
            raise WrongFile(f"{part.file} from {source} holds the {converted.role} of a model, not the {part.role}")
        _compare(part, converted.architecture, source)
        write(converted, ready, overwrite=True)
    except ConvertError as error:
        raise WrongFile(f"{part.file} from {source} is refused: {str(error).replace(str(raw), 'it')}") from None
    return True


def _parsed(said: str | None) -> Mapping[str, Any]:
    try:
        found = json.loads(said or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _compare(part: Part, architecture: Mapping[str, Any], source: str) -> None:
    if (odd := differing(part.architecture or {}, architecture)) is not None:
        raise WrongFile(f"{part.file} from {source} holds another network ({odd})")


def differing(known: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first of the known hyper-parameters that a network does not have."""
    for key, value in known.items():
        got = found.get(key)
        if isinstance(value, Mapping) and isinstance(got, Mapping):
            if (odd := differing(value, got)) is not None:
                return odd
        elif got != value:
            return f"{key} is {got}, not {value}"
    return None


def linked(path: Path, to: Path) -> None:
    """A second name for the same bytes where the file system has such, else a copy."""
    try:
        os.link(os.path.realpath(path), to)
    except OSError:
        shutil.copyfile(path, to)
