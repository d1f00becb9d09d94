"""A log of finished work, one JSON object per line, so that an interrupted or repeated run can continue."""

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

from srcli.batch.names import Item, resolved
from srcli.errors import SrcliError

NAME = ".srcli-ledger.jsonl"


class LedgerError(SrcliError):
    """A ledger that cannot be read or written."""

    reason, retryable = "ledger", True


def key_of(data: bytes, settings: Mapping[str, Any]) -> str:
    """A hash that identifies a piece of work: the input's bytes and all settings that affect the result."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:40]


@dataclass(slots=True)
class Ledger:
    """The ledger of a folder. Several processes can share it: lines are appended in one piece, and truncated lines are
    ignored."""

    path: Path
    _entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _latest: dict[str, dict[str, Any]] = field(default_factory=dict)  # by output path
    _seen: int = 0  # bytes read so far
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """Read the ledger of a folder; it may not exist yet. Raises LedgerError."""
        ledger = cls(folder / NAME)
        ledger.read()
        return ledger

    def read(self) -> None:
        """Read the lines that any process has added since the last read."""
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
                with contextlib.suppress(ValueError, KeyError, TypeError):  # truncated, or not a ledger line
                    self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        key = entry["key"]
        if entry.get("status") == "done":
            self._latest[entry["output"]] = entry
        self._entries[key] = entry

    def place(self, item: Item) -> str:
        """Where an item's result goes: identical files with different names are separate work."""
        where = os.path.relpath(item.folder / item.name, self.path.parent)
        return where if item.template is None else f"{where} {item.template}"

    def done(self, key: str) -> Path | None:
        """The result of finished work, if it is still there and unchanged."""
        entry = self._entries.get(key)
        if entry is None or entry.get("status") != "done":
            return None
        path = self.path.parent / str(entry.get("output"))
        return path if _unchanged(path, entry) else None

    def made(self, key: str) -> Mapping[str, Any]:
        """How finished work was made, as far as it is known."""
        return self._entries.get(key, {}).get("made") or {}

    def entry(self, path: Path) -> Mapping[str, Any] | None:
        """What is known of a result of an earlier run, if the file is unchanged since."""
        entry = self._latest.get(os.path.relpath(path, self.path.parent))
        return entry if entry is not None and _unchanged(path, entry) else None

    def origin(self, path: Path) -> Path | None:
        """The resolved input from which an earlier run made this file, if the file is unchanged since."""
        entry = self.entry(path)
        return None if entry is None else resolved(Path(str(entry.get("input"))))

    def failed(self, key: str) -> str | None:
        """Why this work failed before, if the input itself was at fault."""
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
    """The ledgers of a run, one per output folder."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """folders: where the ledgers are. Raises LedgerError."""
        self._by_folder = {folder: Ledger.open(folder) for folder in set(folders)}

    def find(self, item: Item) -> Ledger:
        return self._by_folder[item.root]


def stamp(path: Path) -> dict[str, int]:
    """Size and modification time, which show later whether a file has changed."""
    state = path.stat()
    return {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def _unchanged(path: Path, entry: Mapping[str, Any]) -> bool:
    try:
        return all(entry.get(name) == value for name, value in stamp(path).items())
    except OSError:
        return False


def _append(path: Path, line: bytes) -> None:
    """Append a line in one piece, on a new line if the last one was truncated."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        end = os.lseek(handle, 0, os.SEEK_END)
        os.lseek(handle, max(0, end - 1), os.SEEK_SET)
        cut = end > 0 and os.read(handle, 1) != b"\n"
        line = b"\n" * cut + line
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)
