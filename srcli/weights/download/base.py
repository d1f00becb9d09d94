"""Types and checks shared by all downloads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from srcli.errors import SrcliError

OnBytes = Callable[[int, int | None], None]  # bytes received so far, total bytes if known
SPARE = 64 * 2**20  # bytes of disk space that a download leaves free


class DownloadError(SrcliError):
    """A download failed.

    temporary: whether trying again may help.
    after: seconds that the server asks to wait first.
    """

    reason, retryable = "download", True
    exit_code = 4

    def __init__(self, text: str, *, temporary: bool = False, after: float = 0.0) -> None:
        super().__init__(text)
        self.temporary, self.after = temporary, after


class Offline(DownloadError):
    """A download that is needed while downloads are off."""

    reason, retryable = "offline", False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When to give up.

    attempts: tries per source without progress.
    wait: seconds before the second attempt, doubled for each further one.
    timeout: seconds without a response or a byte.
    slowest: bytes per second below which a connection is dropped, measured over `timeout` seconds.
    """

    attempts: int = 5
    wait: float = 1.0
    timeout: float = 30.0
    slowest: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The file to download.

    size, sha256: of the file, None if unknown; with a known hash, the sender need not be trusted.
    offline: use only files on this machine.
    fresh: do not use the hub's cache.
    """

    size: int | None
    sha256: str | None
    offline: bool
    patience: Patience
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete file, and the sha256 that its sender announced, if any."""

    path: Path
    sha256: str | None = None


def check_size(host: str, offered: int | None, request: Request) -> None:
    """Raise DownloadError if the offered file has the wrong size."""
    if offered is not None and request.size is not None and offered != request.size:
        raise DownloadError(f"{host} offers a file of {offered:,} bytes instead of {request.size:,}")


def check_space(folder: Path, needed: int | None) -> None:
    """Raise DownloadError if the disk is too full for a file of `needed` bytes."""
    free = shutil.disk_usage(folder).free
    if needed is not None and needed + SPARE > free:
        text = f"{needed / 1e6:,.1f} MB do not fit into {folder}, which has {free / 1e6:,.1f} MB free"
        raise DownloadError(f"{text}; free some space or set SRCLI_HOME to another folder")
