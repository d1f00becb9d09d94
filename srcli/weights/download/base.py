"""What all ways of downloading share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from srcli.errors import SrcliError

Told = Callable[[int, int | None], None]  # bytes there, bytes in all
SPARE = 64 * 2**20  # bytes that a download leaves free


class DownloadError(SrcliError):
    """A file that did not come. passing: whether the same may work a moment later; after: seconds that the server asks
    to wait."""

    exit_code = 4

    def __init__(self, text: str, *, passing: bool = False, after: float = 0.0) -> None:
        super().__init__(text)
        self.passing, self.after = passing, after


class Offline(DownloadError):
    """A download that was not begun."""


@dataclass(frozen=True, slots=True)
class Patience:
    """attempts: without progress, for each source. wait: seconds before the second, doubled each time. timeout:
    seconds without an answer or a byte. slowest: bytes a second below which a connection is given up, judged over as
    many seconds as `timeout`."""

    attempts: int = 5
    wait: float = 1.0
    timeout: float = 30.0
    slowest: int = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """size, sha256: of the file, where they are known; with the hash it does not matter who sends it. offline: take
    only what is on this machine. fresh: not what another tool has left."""

    size: int | None
    sha256: str | None
    offline: bool
    patience: Patience
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file, and the hash that its sender says it has."""

    path: Path
    sha256: str | None = None


def check_size(host: str, offered: int | None, wanted: Wanted) -> None:
    if offered is not None and wanted.size is not None and offered != wanted.size:
        raise DownloadError(f"{host} has a file of {offered:,} bytes, not {wanted.size:,}")


def check_space(folder: Path, needed: int | None) -> None:
    """Raises DownloadError where a file will not fit."""
    free = shutil.disk_usage(folder).free
    if needed is not None and needed + SPARE > free:
        text = f"{needed / 1e6:,.1f} MB do not fit into {folder}, where {free / 1e6:,.1f} MB are free"
        raise DownloadError(f"{text}; make room, or name another folder by SRCLI_HOME")
