"""Weights onto this machine: from their sources or from a file, checked before they get their name."""

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
from srcli.weights import cache as home
from srcli.weights import installing as keeping
from srcli.weights import store
from srcli.weights.download import DownloadError, Offline, Patience, Told, fetch
from srcli.weights.download.base import Wanted, check_space
from srcli.weights.download.http import discard
from srcli.weights.installing import WrongFile
from srcli.weights.manifest import Entry, Part, Source
from srcli.weights.store import WeightsMissing, kept

AT_ONCE = 4


class LicenceError(SrcliError):
    """A licence that the user has not accepted."""

    exit_code = 4

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"{entry.name}: {terms(entry)}; to accept: srcli models pull {entry.name} --accept-license")


class PullError(WeightsMissing):
    """Weights that no source gave."""


def terms(entry: Entry) -> str:
    """What the licence lets one do, in words."""
    if entry.commercial is None:
        return (
            f"its authors state no licence ({entry.licence})" if entry.licence != "unstated" else "no licence is stated"
        )
    return f"licence {entry.licence}" + ("" if entry.commercial else ", not for commercial use")


@dataclass(frozen=True, slots=True)
class Report:
    """What a pull tells while it works: bytes of a file, and words."""

    bytes: Callable[[str, int, int | None], None] = lambda file, done, total: None
    say: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class How:
    offline: bool = False
    patience: Patience = field(default_factory=Patience)
    report: Report = field(default_factory=Report)

    @property
    def silent(self) -> bool:
        return self.offline or os.environ.get("SRCLI_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def pull(entries: Sequence[Entry], how: How | None = None) -> dict[str, Path]:
    """The files of models by name, what is missing downloaded, several at once. Raises LicenceError, or PullError for
    the first file that no source gave; the others come all the same."""
    how = how or How()
    parts = {part.file: (entry, part) for entry in entries for part in entry.parts.values()}
    wanted = [file for file, (_, part) in parts.items() if not kept(part).is_file()]
    for file in wanted:
        if not home.accepted(parts[file][0]):
            raise LicenceError(parts[file][0])
    check_space(home.make(home.weights()), sum(parts[file][1].bytes or 0 for file in wanted))
    found = {file: kept(part) for file, (_, part) in parts.items() if file not in wanted}
    for file in found:
        store.verify(parts[file][1], quick=True)
    return found | _together(wanted, lambda file: _pulled(*parts[file], how))


def _together(names: Sequence[str], work: Callable[[str], Path]) -> dict[str, Path]:
    """Several pieces of work at once, in threads that do not outlive the process: an interrupt waits for no server."""
    waiting, done = deque(names), queue.Queue[tuple[str, Path | BaseException]]()

    def run() -> None:
        with suppress(IndexError):
            while True:
                name = waiting.popleft()
                try:
                    done.put((name, work(name)))
                except BaseException as error:
                    done.put((name, error))

    for _ in range(min(AT_ONCE, len(names))):
        threading.Thread(target=run, daemon=True).start()
    results = dict(done.get() for _ in names)
    failed = [error for name in names if isinstance(error := results[name], BaseException)]
    if len(failed) > 1 and all(isinstance(error, PullError) for error in failed):
        raise PullError("; ".join(map(str, failed)))
    if failed:
        raise failed[0]
    return {name: path for name, path in results.items() if isinstance(path, Path)}


def _pulled(entry: Entry, part: Part, how: How) -> Path:
    """One file, from the first source that has it."""
    path = kept(part)
    if not part.sources:
        raise PullError(no_source(entry, part))
    with home.alone(path.name, lambda: how.report.say(f"another process is fetching {part.file}; waiting for it")):
        if path.is_file():  # by now
            store.verify(part, quick=True)
            return path
        failures: list[SrcliError] = []
        for source in part.sources:
            try:
                return _from(source, part, how)
            except (DownloadError, WrongFile) as error:
                failures.append(error)
        raise PullError(_why(entry, part, failures))


def no_source(entry: Entry, part: Part) -> str:
    page = f" (see {entry.page})" if entry.page else ""
    return (
        f"{part.file} of {entry.name} cannot be downloaded from anywhere known{page}; "
        f"if you have it: srcli models import FILE --as {entry.name}"
    )


def _why(entry: Entry, part: Part, failures: Sequence[SrcliError]) -> str:
    reasons = "; ".join(dict.fromkeys(str(error) for error in failures))
    if all(isinstance(error, Offline) for error in failures):
        return f"{part.file} is not on this machine: {reasons}; go online and run: srcli models pull {entry.name}"
    begun = _temporary(part)
    rest = f" goes on after {begun.stat().st_size / 1e6:,.1f} MB" if begun.is_file() else ""
    if not any(isinstance(error, DownloadError) and error.passing for error in failures):
        return f"cannot get {part.file}: {reasons}"
    return f"cannot get {part.file}: {reasons}; try again later: srcli models pull {entry.name}{rest}"


def _temporary(part: Part) -> Path:
    return home.weights() / f".{part.file}.part"


def _from(source: Source, part: Part, how: How) -> Path:
    wanted = Wanted(part.bytes, part.sha256, how.silent, how.patience)
    temporary = home.make(home.weights()) / _temporary(part).name
    told: Told = lambda done, total: how.report.bytes(part.file, done, total)  # noqa: E731 - a partial with its type
    while True:
        begun = temporary.is_file()
        found = fetch(source, temporary, wanted, told)
        own = found.path == temporary
        try:
            made = keeping.keep(found.path, part, str(source), keeping.linked, found.sha256)
        except WrongFile:
            discard(temporary)
            if own and not begun:
                raise
            # Pieces of two versions make a third, and what another tool has left in the hub's cache may be an old one:
            # once more, from the start and from the source itself.
            wanted = replace(wanted, fresh=True)
            continue
        discard(temporary)
        return made


def bring(path: Path, entry: Entry, part: Part) -> Path:
    """Import a file that the user has. Raises WrongFile, or LicenceError."""
    if not home.accepted(entry):
        raise LicenceError(entry)
    if not path.is_file():
        raise WrongFile(f"there is no file {path}")
    with home.alone(kept(part).name):
        return keeping.keep(path, part, path.name)


def remove(part: Part) -> bool:
    """Take a downloaded file away, also one that was only begun; whether it was there."""
    path = kept(part)
    with home.alone(path.name):
        there = path.is_file()
        path.unlink(missing_ok=True)
        discard(_temporary(part))
    return there
