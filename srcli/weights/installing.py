"""Put a downloaded or imported file into the weights folder: check it, convert it if needed, then rename it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from srcli.errors import SrcliError
from srcli.methods.registry import players
from srcli.weights import cache, store
from srcli.weights.entries import Part
from srcli.weights.store import WeightsMissing, path_of

Transfer = Callable[[Path, Path], object]


class WrongFile(SrcliError):
    """A file that is not the expected one."""

    exit_code = 4


def install(
    path: Path, part: Part, source: str, transfer: Transfer = shutil.copyfile, promised: str | None = None
) -> Path:
    """Check a file against the manifest and an earlier pin, and store it as the weights of `part`.

    source: where the file came from, for messages and the pin.
    transfer: copies or links the file into the weights folder, where it is checked.
    promised: the sha256 that the sender announced.

    Returns the stored file. Raises WrongFile or CacheError.
    """
    target = path_of(part)
    raw, ready = (cache.make_folder(target.parent) / f".{target.name}.{step}" for step in ("raw", "ready"))
    try:
        raw.unlink(missing_ok=True)
        transfer(path, raw)
        digest, size = store.sha256(raw), raw.stat().st_size
        _check(part, digest, size, source, promised)
        converted = _prepare(raw, part, ready, source)
        state = ready.stat()
        kept_digest = store.sha256(ready) if converted else digest
        pin = cache.Pin(
            source=source,
            date=cache.today(),
            sha256=digest,
            bytes=size,
            kept_sha256=kept_digest,
            kept_bytes=state.st_size,
            mtime_ns=state.st_mtime_ns,
        )
        cache.pin(part.file, pin)
        ready.replace(target)
    except OSError as error:
        raise cache.CacheError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        for temporary in (raw, ready):
            temporary.unlink(missing_ok=True)
    return target


def _check(part: Part, digest: str, size: int, source: str, promised: str | None) -> None:
    if part.bytes is not None and size != part.bytes:
        raise WrongFile(f"{part.file} from {source} has {size:,} bytes, not {part.bytes:,}")
    if not store.agrees(part, digest):
        stated = part.sha256 or part.starts
        raise WrongFile(
            f"{part.file} from {source} is a different file: its sha256 is {digest[:12]}..., not {stated[:12]}..."
        )
    if promised not in (None, digest):
        raise WrongFile(
            f"{part.file} from {source} was damaged on the way: its hash is not the one that {source} announced"
        )
    pin = cache.pins().get(part.file)
    if pin is not None and pin.sha256 != digest:
        raise WrongFile(
            f"{part.file} from {source} has changed since {pin.date} (sha256 {digest[:12]}..., before "
            f"{pin.sha256[:12]}...); if you trust the change, run: srcli models rm --file {part.file} --forget"
        )


def _prepare(raw: Path, part: Part, ready: Path, source: str) -> bool:
    """Write the file to be stored to `ready`; returns whether it was converted. Raises WrongFile."""
    from srcli.weights.convert import ConvertError, convert, write

    if part.plain or part.file.endswith(".safetensors"):
        try:
            stated = store.metadata(raw).get("architecture")
        except WeightsMissing as error:
            raise WrongFile(f"{part.file} from {source} is not a readable safetensors file: {error}") from None
        if part.plain or stated is not None:
            _compare(part, _parsed(stated), source)
            raw.replace(ready)
            return False
    try:
        converted = convert(raw, part.role)
        taken = {converted.role} | {role for _, role in players(str(converted.architecture.get("kind")))}
        if part.role not in taken:
            raise WrongFile(f"{part.file} from {source} holds a model's {converted.role}, not its {part.role}")
        _compare(part, converted.architecture, source)
        write(converted, ready, overwrite=True)
    except ConvertError as error:
        raise WrongFile(f"{part.file} from {source} cannot be used: {str(error).replace(str(raw), 'it')}") from None
    return True


def _parsed(stated: str | None) -> Mapping[str, Any]:
    try:
        found = json.loads(stated or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _compare(part: Part, architecture: Mapping[str, Any], source: str) -> None:
    if (difference := first_difference(part.architecture or {}, architecture)) is not None:
        raise WrongFile(f"{part.file} from {source} holds a different network ({difference})")


def first_difference(known: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first known hyper-parameter that differs in a network, in words, or None."""
    for key, value in known.items():
        got = found.get(key)
        if isinstance(value, Mapping) and isinstance(got, Mapping):
            if (difference := first_difference(value, got)) is not None:
                return difference
        elif got != value:
            return f"{key} is {got}, not {value}"
    return None


def link_or_copy(path: Path, to: Path) -> None:
    """Hard-link a file, or copy it if the file system has no hard links."""
    try:
        os.link(os.path.realpath(path), to)
    except OSError:
        shutil.copyfile(path, to)
