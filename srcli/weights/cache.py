"""The folder of downloaded weights, and what is remembered there: hashes once seen, and licences accepted."""

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
import platformdirs

from srcli import files
from srcli.errors import SrcliError
from srcli.weights.manifest import Entry

PINS, ACCEPTED = "lock.json", "accepted-licences.json"


class HomeError(SrcliError):
    """A folder of weights that cannot be used."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Pin:
    """What a file was when it first came. sha256, bytes: as published; kept_sha256, kept_bytes, mtime_ns: as it lies
    here, which differs where it was converted."""

    source: str
    date: str
    sha256: str
    bytes: int
    kept_sha256: str
    kept_bytes: int
    mtime_ns: int


PINNED = {
    "source": str, "date": str, "sha256": str, "bytes": int, "kept_sha256": str, "kept_bytes": int, "mtime_ns": int,
}  # fmt: skip


def folder() -> Path:
    """SRCLI_HOME, else `srcli` in HF_HOME, where the user has chosen a disk for such files, else the user's data."""
    for name, below in (("SRCLI_HOME", ""), ("HF_HOME", "srcli")):
        if named := os.environ.get(name):
            try:
                return Path(named).expanduser().absolute() / below
            except RuntimeError:
                raise HomeError(f"{name} is {named}, and there is no such user") from None
    return platformdirs.user_data_path("srcli")


def weights() -> Path:
    return folder() / "weights"


def make(path: Path) -> Path:
    """A folder, made where it is missing. Raises HomeError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(f"cannot make {path}: {error.strerror or error}; SRCLI_HOME names another folder") from None
    return path


@contextmanager
def alone(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One process at a time, by a lock file that ends with the process. waiting: told when another has it."""
    lock = filelock.FileLock(make(folder()) / f".{name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            waiting()
            lock.acquire()
    except OSError as error:
        raise HomeError(f"cannot lock {folder()}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


# --- hashes ---


def pins() -> dict[str, Pin]:
    """By file name. Raises HomeError."""
    found = {}
    for name, values in _read(PINS).items():
        if any(not isinstance(values.get(key), kind) for key, kind in PINNED.items()):
            raise HomeError(f"{folder() / PINS} is damaged at {name}; restore it, or remove that and pull {name} again")
        found[name] = Pin(**{key: values[key] for key in PINNED})
    return found


def pin(name: str, value: Pin | None) -> None:
    """Remember a file, or forget it."""
    with alone("pins"):
        known = _read(PINS) | ({name: asdict(value)} if value else {})
        _write(PINS, {k: v for k, v in known.items() if value or k != name})


# --- licences ---


def accepted(entry: Entry) -> bool:
    """Whether a licence needs no consent, or has the user's. Consent is to a text: it ends when the text changes."""
    return entry.commercial is True or _read(ACCEPTED).get(entry.name, {}).get("licence") == entry.licence


def accept(entry: Entry) -> None:
    with alone("licences"):
        _write(ACCEPTED, _read(ACCEPTED) | {entry.name: {"licence": entry.licence, "date": today()}})


def _read(name: str) -> dict[str, Any]:
    path = folder() / name
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise HomeError(f"cannot read {path}: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(v, dict) for v in values.values()):
        raise HomeError(f"{path} is damaged; remove it")
    return values


def _write(name: str, values: Mapping[str, Any]) -> None:
    make(folder())
    files.write_text(folder() / name, json.dumps(values, indent=2, sort_keys=True) + "\n")
