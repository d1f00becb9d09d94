"""What a batch has done, one JSON object a line, so that a repeated or interrupted run goes on where it was."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srcli.batch.plan import Item, resolved
from srcli.errors import SrcliError

NAME = ".srcli-ledger.jsonl"


class LedgerError(SrcliError):
    """A ledger that cannot be read or written."""


def key_of(data: bytes, settings: Mapping[str, Any]) -> str:
    """The name of a piece of work: the input's bytes and everything that decides the result."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:40]


@dataclass(slots=True)
class Ledger:
    """The ledger of a folder. Lines are appended whole, so that several processes can share it; one that was cut off is
    passed over."""

    path: Path
    _entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _latest: dict[str, dict[str, Any]] = field(default_factory=dict)  # by output
    _seen: int = 0  # bytes
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, folder: Path) -> Ledger:
        ledger = cls(folder / NAME)
        ledger.read()
        return ledger

    def read(self) -> None:
        """Take in what has been added, by whatever process, since it was last read."""
        with self._lock:
            try:
                with self.path.open("rb") as file:
                    file.seek(self._seen)
                    data = file.read()
            except FileNotFoundError:
                return
            except OSError as error:
                raise LedgerError(f"cannot read {self.path}: {error.strerror or error}") from None
            whole = data[: data.rfind(b"\n") + 1]
            self._seen += len(whole)
            for line in whole.splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):  # cut off, or not ours
                    self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        key = entry["key"]
        if entry.get("status") == "done":
            self._latest[entry["output"]] = entry
        self._entries[key] = entry

    def place(self, item: Item) -> str:
        """Where an item's result belongs: equal files of two names are two pieces of work."""
        where = os.path.relpath(item.folder / item.name, self.path.parent)
        return where if item.template is None else f"{where} {item.template}"

    def done(self, key: str) -> Path | None:
        """The result of a piece of work that is done and still there as it was left."""
        entry = self._entries.get(key)
        if entry is None or entry.get("status") != "done":
            return None
        path = self.path.parent / str(entry.get("output"))
        return path if _as_left(path, entry) else None

    def origin(self, path: Path) -> Path | None:
        """The input, resolved, of a file that these runs have made and nobody has touched since."""
        entry = self._latest.get(os.path.relpath(path, self.path.parent))
        return resolved(Path(str(entry.get("input")))) if entry is not None and _as_left(path, entry) else None

    def failed(self, key: str) -> str | None:
        """Why a piece of work cannot be done, where that lies in the input itself."""
        entry = self._entries.get(key)
        return str(entry.get("error")) if entry is not None and entry.get("status") == "failed" else None

    def add(self, key: str, entry: Mapping[str, Any]) -> None:
        """Append a line. Raises LedgerError."""
        entry = {"key": key, **entry}
        line = json.dumps(entry, ensure_ascii=True) + "\n"
        with self._lock:
            self._take(entry)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                _append(self.path, line.encode())
            except OSError as error:
                raise LedgerError(f"cannot write {self.path}: {error.strerror or error}") from None


class Ledgers:
    """The ledgers of a run, by the folder that they lie in."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Read them. Raises LedgerError."""
        self._of = {folder: Ledger.of(folder) for folder in set(folders)}

    def of(self, item: Item) -> Ledger:
        return self._of[item.root]


def stamp(path: Path) -> dict[str, int]:
    """What shows later that a file is as it was left."""
    state = path.stat()
    return {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def _as_left(path: Path, entry: Mapping[str, Any]) -> bool:
    try:
        return all(entry.get(name) == value for name, value in stamp(path).items())
    except OSError:
        return False


def _append(path: Path, line: bytes) -> None:
    """Add a line in one piece."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        end = os.lseek(handle, 0, os.SEEK_END)
        os.lseek(handle, max(0, end - 1), os.SEEK_SET)
        cut = end > 0 and os.read(handle, 1) != b"\n"  # a process died in the middle of a line
        line = b"\n" * cut + line
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)
