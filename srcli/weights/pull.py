"""Weights onto this machine: from their sources or from a file, checked before they get their name."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srcli.errors import SrcliError
from srcli.weights import home, store
from srcli.weights.download import DownloadError, Offline, Patience, Told, fetch
from srcli.weights.download.base import Wanted
from srcli.weights.download.http import discard
from srcli.weights.download.hub import discard as discard_from_hub
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


class WrongFile(SrcliError):
    """A file that is not what was asked for."""

    exit_code = 4


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
        return self.offline or os.environ.get("SRCLI_OFFLINE", "") not in ("", "0")


def pull(entries: Sequence[Entry], how: How | None = None) -> dict[str, Path]:
    """The files of models by name, what is missing downloaded, several at once. Raises LicenceError, or PullError for
    the first file that no source gave; the others come all the same."""
    how = how or How()
    parts = {part.file: (entry, part) for entry in entries for part in entry.parts.values()}
    wanted = [file for file, (_, part) in parts.items() if not kept(part).is_file()]
    for file in wanted:
        if not home.accepted(parts[file][0]):
            raise LicenceError(parts[file][0])
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
    temporary = _temporary(part)
    home.make(temporary.parent)
    told: Told = lambda done, total: how.report.bytes(part.file, done, total)  # noqa: E731 - a partial with its type
    for again in (True, False):
        begun = temporary.is_file()
        path = fetch(source, temporary, wanted, told)
        own = path == temporary
        try:
            made = keep(path, part, str(source), shutil.move if own else _linked)
        except WrongFile:
            if own:
                discard(temporary)
            else:
                discard_from_hub(path)
            if not (again and begun and own):  # pieces of two versions make a third
                raise
            continue
        if own:
            discard(temporary)
        return made
    raise AssertionError("the loop returns or raises")


def keep(path: Path, part: Part, source: str, move: Callable[[Path, Path], object]) -> Path:
    """Give a whole file its place, if it is what the manifest and an earlier pin say; converted where it is no
    safetensors file, else moved. Raises WrongFile."""
    digest, size = store.sha256(path), path.stat().st_size
    _check(part, digest, size, source)
    to = kept(part)
    ready = home.make(to.parent) / f".{to.name}.ready"
    try:
        _prepare(path, part, ready, move)
        state = ready.stat()
        pin = home.Pin(source, home.today(), digest, size, store.sha256(ready), state.st_size, state.st_mtime_ns)
        home.pin(part.file, pin)
        ready.replace(to)
    except OSError as error:
        raise home.HomeError(f"cannot write {to}: {error.strerror or error}") from None
    finally:
        ready.unlink(missing_ok=True)
    return to


def _check(part: Part, digest: str, size: int, source: str) -> None:
    if part.bytes is not None and size != part.bytes:
        raise WrongFile(f"{part.file} from {source} has {size:,} bytes, not {part.bytes:,}")
    if not store.agrees(part, digest):
        said = part.sha256 or part.starts
        raise WrongFile(f"{part.file} from {source} is another file: sha256 {digest[:12]}..., not {said[:12]}...")
    pin = home.pins().get(part.file)
    if pin is not None and pin.sha256 != digest:
        raise WrongFile(
            f"{part.file} from {source} is not what it was on {pin.date} (sha256 {digest[:12]}..., then "
            f"{pin.sha256[:12]}...); if you trust the change: srcli models rm --file {part.file} --forget"
        )


def _prepare(path: Path, part: Part, ready: Path, move: Callable[[Path, Path], object]) -> None:
    """The file as it will lie here, under another name. Raises WrongFile."""
    if part.file.endswith(".safetensors"):
        try:
            store.check(path)
        except WeightsMissing as error:
            raise WrongFile(str(error)) from None
        move(path, ready)
        return
    from srcli.weights.convert import convert, write

    converted = convert(path)
    if (odd := differing(part.architecture or {}, converted.architecture)) is not None:
        raise WrongFile(f"{path} is not {part.file}: it holds another network ({odd})")
    write(converted, ready)


def differing(known: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first of the known hyper-parameters that a network does not have."""
    for key, value in known.items():
        got = found.get(key)
        if isinstance(value, Mapping) and isinstance(got, Mapping):
            if (odd := differing(value, got)) is not None:
                return odd
        elif got != value:
            return f"{key} is {got}, not {value}"
    return None


def _linked(path: Path, to: Path) -> None:
    """A second name for the same bytes where the file system has such, else a copy."""
    to.unlink(missing_ok=True)
    try:
        os.link(os.path.realpath(path), to)
    except OSError:
        shutil.copyfile(path, to)


def bring(path: Path, entry: Entry, part: Part) -> Path:
    """Import a file that the user has. Raises WrongFile, or LicenceError."""
    if not home.accepted(entry):
        raise LicenceError(entry)
    if not path.is_file():
        raise WrongFile(f"there is no file {path}")
    with home.alone(kept(part).name):
        return keep(path, part, f"import of {path.name}", shutil.copyfile)
