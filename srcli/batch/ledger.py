"""What a batch has done, one JSON object a line, so that a repeated or interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srcli.batch.plan import Item
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
    _read: int = 0  # bytes

    @classmethod
    def of(cls, folder: Path) -> Ledger:
        ledger = cls(folder / NAME)
        ledger.refresh()
        return ledger

    def refresh(self) -> None:
        """Take in what other processes have added."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise LedgerError(f"cannot read {self.path}: {error.strerror or error}") from None
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                self._entries[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                continue

    def place(self, item: Item) -> str:
        """Where an item's result belongs: equal files of two names are two pieces of work."""
        return os.path.relpath(item.folder / item.name, self.path.parent)

    def done(self, key: str) -> Path | None:
        """The result of a piece of work that is done and still there as it was left."""
        entry = self._entries.get(key)
        if entry is None or entry.get("status") != "done":
            return None
        path = self.path.parent / str(entry.get("output"))
        try:
            return path if path.stat().st_size == entry.get("bytes") else None
        except OSError:
            return None

    def failed(self, key: str) -> str | None:
        """Why a piece of work cannot be done, where that lies in the input itself."""
        entry = self._entries.get(key)
        return str(entry.get("error")) if entry is not None and entry.get("status") == "failed" else None

    def add(self, key: str, entry: Mapping[str, Any]) -> None:
        """Append a line. Raises LedgerError."""
        entry = {"key": key, **entry}
        self._entries[key] = entry
        line = json.dumps(entry, ensure_ascii=True) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                end = os.lseek(handle, 0, os.SEEK_END)
                cut = end > 0 and os.pread(handle, 1, end - 1) != b"\n"  # a process died in the middle of a line
                os.write(handle, (("\n" if cut else "") + line).encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise LedgerError(f"cannot write {self.path}: {error.strerror or error}") from None
