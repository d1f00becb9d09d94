"""Download one file from one source, retrying temporary failures."""

from __future__ import annotations

import random
import time
from pathlib import Path

from srcli.weights.download import drive, http, hub
from srcli.weights.download.base import DownloadError, Fetched, Offline, OnBytes, Request
from srcli.weights.entries import Drive, Embedded, Hub, Origin, Url

LONGEST_WAIT = 60.0
PROGRESS = 2**16  # bytes an attempt must add to count as progress


def fetch(source: Origin, part: Path, request: Request, on_bytes: OnBytes) -> Fetched:
    """Download a file to the temporary `part`, or find it in the hub's cache.

    An attempt that made progress resets the count of failures. Raises DownloadError.
    """
    failures = 0
    while True:
        before = _bytes(part)
        try:
            return _once(source, part, request, on_bytes)
        except DownloadError as error:
            failures = 0 if _bytes(part) - before >= PROGRESS else failures + 1
            if not error.temporary or failures >= request.patience.attempts:
                raise
            pause = request.patience.wait * 2 ** max(0, failures - 1) * random.uniform(0.8, 1.2)
            time.sleep(min(LONGEST_WAIT, max(error.after, pause)))


def _once(source: Origin, part: Path, request: Request, on_bytes: OnBytes) -> Fetched:
    if request.offline and not isinstance(source, Hub):
        raise Offline("downloads are off")
    try:
        if isinstance(source, Hub):
            return hub.fetch(source, part, request, on_bytes)
        if isinstance(source, Drive):
            drive.fetch(source.id, part, request, on_bytes)
        elif isinstance(source, Url):
            http.fetch(source.url, part, request, on_bytes)
        else:
            assert isinstance(source, Embedded)
            raise DownloadError("it should ship with the package; reinstall srcli")
    except OSError as error:
        raise DownloadError(f"cannot write {part.parent}: {error.strerror or error}") from None
    return Fetched(part)


def _bytes(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0
