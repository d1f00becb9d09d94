"""Text files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from srcli.errors import SrcliError


class WriteError(SrcliError):
    """A file or folder that cannot be written."""


def write_text(path: Path, text: str) -> None:
    """UTF-8, under a temporary name and renamed. What UTF-8 cannot hold (bytes of odd file names) becomes '?'."""
    try:
        handle, part = tempfile.mkstemp(".part", ".srcli-", path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(part).chmod(0o666 & ~mask)
        Path(part).replace(path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error


def make_folder(path: Path) -> None:
    """A folder and those above it. Raises WriteError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make the folder {path}: {error.strerror or error}") from error
