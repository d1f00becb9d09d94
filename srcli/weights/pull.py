"""Download weights, import them from files, and remove them."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from srcli.errors import SrcliError
from srcli.weights import cache, installing, store
from srcli.weights.download import DownloadError, Offline, Patience, fetch
from srcli.weights.download.base import Request, check_space
from srcli.weights.download.http import discard
from srcli.weights.entries import Entry, Origin, Part
from srcli.weights.installing import WrongFile
from srcli.weights.store import WeightsMissing, path_of

PARALLEL_DOWNLOADS = 4


class LicenceError(SrcliError):
    """The user has not accepted a model's licence."""

    reason = "licence"
    exit_code = 4

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            f"{entry.name}: {terms(entry)}; to accept it, run: srcli models pull {entry.name} --accept-license"
        )


class PullError(WeightsMissing):
    """No source provided the weights."""


def terms(entry: Entry) -> str:
    """A model's licence in words."""
    if entry.commercial is None:
        return (
            f"its authors state no licence ({entry.licence})" if entry.licence != "unstated" else "no licence is stated"
        )
    return f"licence {entry.licence}" + ("" if entry.commercial else ", not for commercial use")


@dataclass(frozen=True, slots=True)
class Report:
    """Callbacks of a download.

    bytes: called with a file, the bytes received and the total, if known.
    say: called with messages.
    """

    bytes: Callable[[str, int, int | None], None] = lambda file, done, total: None
    say: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class PullOptions:
    """How to download.

    offline: use only files that are already on this machine.
    """

    offline: bool = False
    patience: Patience = field(default_factory=Patience)
    report: Report = field(default_factory=Report)

    @property
    def is_offline(self) -> bool:
        """Whether downloads are off, here or by SRCLI_OFFLINE."""
        return self.offline or os.environ.get("SRCLI_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def pull(entries: Sequence[Entry], options: PullOptions | None = None) -> dict[str, Path]:
    """The files of models by name. Missing files are downloaded in parallel.

    Raises LicenceError, or PullError if no source provides a file; the other files are still downloaded.
    """
    options = options or PullOptions()
    parts = {part.file: (entry, part) for entry in entries for part in entry.parts.values()}
    missing = [file for file, (_, part) in parts.items() if not store.installed(part)]
    for file in missing:
        if not cache.accepted(parts[file][0]):
            raise LicenceError(parts[file][0])
    check_space(cache.make_folder(cache.weights_folder()), sum(parts[file][1].bytes or 0 for file in missing))
    found = {file: path_of(part) for file, (_, part) in parts.items() if file not in missing}
    for file in found:
        store.verify(parts[file][1], quick=True)
    return found | _in_parallel(missing, lambda file: _pull_one(*parts[file], options))


def _in_parallel(names: Sequence[str], work: Callable[[str], Path]) -> dict[str, Path]:
    """Run `work` for each name in daemon threads, so that an interrupt does not wait for a server."""
    waiting, done = deque(names), queue.Queue[tuple[str, Path | BaseException]]()

    def run() -> None:
        with suppress(IndexError):
            while True:
                name = waiting.popleft()
                try:
                    done.put((name, work(name)))
                except BaseException as error:
                    done.put((name, error))

    for _ in range(min(PARALLEL_DOWNLOADS, len(names))):
        threading.Thread(target=run, daemon=True).start()
    results = dict(done.get() for _ in names)
    failed = [error for name in names if isinstance(error := results[name], BaseException)]
    if len(failed) > 1 and all(isinstance(error, PullError) for error in failed):
        raise PullError("; ".join(map(str, failed)))
    if failed:
        raise failed[0]
    return {name: path for name, path in results.items() if isinstance(path, Path)}


def _pull_one(entry: Entry, part: Part, options: PullOptions) -> Path:
    """Download one file from the first source that provides it. Raises PullError."""
    path = path_of(part)
    if not part.sources:
        raise PullError(no_source(entry, part))
    with cache.locked(
        path.name, lambda: options.report.say(f"another process is fetching {part.file}; waiting for it")
    ):
        if path.is_file():  # the other process has fetched it
            store.verify(part, quick=True)
            return path
        failures: list[SrcliError] = []
        for source in part.sources:
            try:
                return _fetch_from(source, part, options)
            except (DownloadError, WrongFile) as error:
                failures.append(error)
        raise PullError(_why(entry, part, failures))


def no_source(entry: Entry, part: Part) -> str:
    """What to tell the user about a part that can only be imported."""
    page = f" (see {entry.page})" if entry.page else ""
    return (
        f"{part.file} of {entry.name} has no known download{page}; "
        f"if you have the file, run: srcli models import FILE --as {entry.name}"
    )


def _why(entry: Entry, part: Part, failures: Sequence[SrcliError]) -> str:
    reasons = "; ".join(dict.fromkeys(str(error) for error in failures))
    if all(isinstance(error, Offline) for error in failures):
        return f"{part.file} is not on this machine: {reasons}; when online, run: srcli models pull {entry.name}"
    partial = _temporary(part)
    rest = f" continues after {partial.stat().st_size / 1e6:,.1f} MB" if partial.is_file() else ""
    if not any(isinstance(error, DownloadError) and error.temporary for error in failures):
        return f"cannot get {part.file}: {reasons}"
    return f"cannot get {part.file}: {reasons}; try again later: srcli models pull {entry.name}{rest}"


def _temporary(part: Part) -> Path:
    return cache.weights_folder() / f".{part.file}.part"


def _fetch_from(source: Origin, part: Part, options: PullOptions) -> Path:
    request = Request(size=part.bytes, sha256=part.sha256, offline=options.is_offline, patience=options.patience)
    temporary = cache.make_folder(cache.weights_folder()) / _temporary(part).name

    def on_bytes(done: int, total: int | None) -> None:
        options.report.bytes(part.file, done, total)

    while True:
        partial = temporary.is_file()
        found = fetch(source, temporary, request, on_bytes)
        try:
            made = installing.install(found.path, part, str(source), installing.link_or_copy, found.sha256)
        except WrongFile:
            discard(temporary)
            if found.path == temporary and not partial:
                raise
            # The parts may come from two versions, or the hub's cache may hold an old one: try again from the start,
            # and from the source itself.
            request = replace(request, fresh=True)
            continue
        discard(temporary)
        return made


def import_file(path: Path, entry: Entry, part: Part) -> Path:
    """Import a file as the weights of a part. Returns the stored file. Raises WrongFile or LicenceError."""
    if not cache.accepted(entry):
        raise LicenceError(entry)
    if not path.is_file():
        raise WrongFile(f"{path} does not exist")
    with cache.locked(path_of(part).name):
        return installing.install(path, part, path.name)


def remove(part: Part) -> bool:
    """Remove a downloaded file or a partial download; returns whether the whole file existed."""
    path = path_of(part)
    with cache.locked(path.name):
        existed = path.is_file()
        path.unlink(missing_ok=True)
        discard(_temporary(part))
    return existed
