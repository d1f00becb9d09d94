"""The folder of downloaded weights, with their pinned hashes and the licences the user has accepted."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock

from srcli import files, userfolders
from srcli.errors import SrcliError
from srcli.weights.entries import Entry

PINS, ACCEPTED = "lock.json", "accepted-licences.json"


class CacheError(SrcliError):
    """The weights folder cannot be used."""

    exit_code = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What a file was when it was first downloaded or imported.

    source: where it came from.
    date: ISO date of the download.
    sha256, bytes: of the file as published.
    kept_sha256, kept_bytes, mtime_ns: of the stored file, which differs if it was converted.
    """

    source: str
    date: str
    sha256: str
    bytes: int
    kept_sha256: str
    kept_bytes: int
    mtime_ns: int


PIN_FIELDS = {
    "source": str,
    "date": str,
    "sha256": str,
    "bytes": int,
    "kept_sha256": str,
    "kept_bytes": int,
    "mtime_ns": int,
}


def folder() -> Path:
    """The folder of srcli's data: SRCLI_HOME, or `srcli` in HF_HOME, or the user's data folder.

    Raises CacheError, or NoHome for a user without a home.
    """
    for name, below in (("SRCLI_HOME", ""), ("HF_HOME", "srcli")):
        if named := os.environ.get(name):
            try:
                return Path(named).expanduser().absolute() / below
            except RuntimeError:
                raise CacheError(f"{name} is {named}, but there is no such user") from None
    return userfolders.data()


def weights_folder() -> Path:
    """Where downloaded weights are stored."""
    return folder() / "weights"


def make_folder(path: Path) -> Path:
    """Create a folder if it is missing. Raises CacheError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(
            f"cannot create {path}: {error.strerror or error}; set SRCLI_HOME to use another folder"
        ) from None
    return path


@contextmanager
def locked(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time into the block; the lock ends with the process.

    waiting: called if another process holds the lock. Raises CacheError.
    """
    lock = filelock.FileLock(make_folder(folder()) / f".{name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            waiting()
            lock.acquire()
    except OSError as error:
        raise CacheError(f"cannot lock {folder()}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def today() -> str:
    """The date in UTC, as YYYY-MM-DD."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


# --- hashes ---


def pins() -> dict[str, Pin]:
    """The pins of all files, by file name. Raises CacheError."""
    found = {}
    for name, values in _read(PINS).items():
        if any(not isinstance(values.get(key), kind) for key, kind in PIN_FIELDS.items()):
            raise CacheError(f"{folder() / PINS} has a damaged entry for {name}; remove it and pull the file again")
        found[name] = Pin(**{key: values[key] for key in PIN_FIELDS})
    return found


def pin(name: str, value: Pin | None) -> None:
    """Store the pin of a file, or remove it if `value` is None."""
    with locked("pins"):
        known = _read(PINS) | ({name: asdict(value)} if value else {})
        _write(PINS, {k: v for k, v in known.items() if value or k != name})


# --- licences ---


def accepted(entry: Entry) -> bool:
    """Whether a model's licence needs no consent or has the user's. Consent ends when the licence changes."""
    return entry.commercial is True or _read(ACCEPTED).get(entry.name, {}).get("licence") == entry.licence


def accept(entry: Entry, *, forget: bool = False) -> None:
    """Record that the user accepts a model's licence, or forget it."""
    with locked("licences"):
        others = {name: value for name, value in _read(ACCEPTED).items() if name != entry.name}
        mine = {} if forget else {entry.name: {"licence": entry.licence, "date": today()}}
        _write(ACCEPTED, others | mine)


def _read(name: str) -> dict[str, Any]:
    try:
        path = folder() / name
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, userfolders.NoHome):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CacheError(f"cannot read {path}: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(v, dict) for v in values.values()):
        raise CacheError(f"{path} is damaged; delete it and try again")
    return values


def _write(name: str, values: Mapping[str, Any]) -> None:
    make_folder(folder())
    files.write_text(folder() / name, json.dumps(values, indent=2, sort_keys=True) + "\n")
