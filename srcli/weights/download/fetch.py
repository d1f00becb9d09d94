"""One file from one source, as often as it takes."""

from __future__ import annotations

import random
import time
from pathlib import Path

from srcli.weights.download import drive, http, hub
from srcli.weights.download.base import DownloadError, Fetched, Offline, Told, Wanted
from srcli.weights.manifest import Drive, Embedded, Hub, Source, Url

LONGEST_WAIT = 60.0
PROGRESS = 2**16  # bytes that an attempt must bring to count as one that got further


def fetch(source: Source, part: Path, wanted: Wanted, told: Told) -> Fetched:
    """The whole file, in the temporary `part` or in the hub's cache. An attempt that got further is no failure.
    Raises DownloadError."""
    failures = 0
    while True:
        before = _bytes(part)
        try:
            return _once(source, part, wanted, told)
        except DownloadError as error:
            failures = 0 if _bytes(part) - before >= PROGRESS else failures + 1
            if not error.passing or failures >= wanted.patience.attempts:
                raise
            pause = wanted.patience.wait * 2 ** max(0, failures - 1) * random.uniform(0.8, 1.2)
            time.sleep(min(LONGEST_WAIT, max(error.after, pause)))


def _once(source: Source, part: Path, wanted: Wanted, told: Told) -> Fetched:
    if wanted.offline and not isinstance(source, Hub):
        raise Offline("downloads are off")
    try:
        if isinstance(source, Hub):
            return hub.fetch(source, part, wanted, told)
        if isinstance(source, Drive):
            drive.fetch(source.id, part, wanted, told)
        elif isinstance(source, Url):
            http.fetch(source.url, part, wanted, told)
        else:
            assert isinstance(source, Embedded)
            raise DownloadError("the package should hold it; reinstall srcli")
    except OSError as error:
        raise DownloadError(f"cannot write {part.parent}: {error.strerror or error}") from None
    return Fetched(part)


def _bytes(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0
