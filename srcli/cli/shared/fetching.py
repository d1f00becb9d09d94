"""Fetch the weights that a command needs before it starts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from srcli.weights.entries import Entry
    from srcli.weights.pull import PullOptions, Report


def _use_manifest(path: Path | None) -> Path | None:
    """Add a manifest for the rest of this process."""
    if path is not None:
        from srcli.weights import manifest

        if path.absolute() not in manifest.ADDED:
            manifest.ADDED.append(path.absolute())
    return path


MANIFEST = Annotated[
    Path | None,
    typer.Option(
        "--manifest", help="A TOML file with more models, which override those of the package.", callback=_use_manifest
    ),
]


def known_model(name: str | None) -> Entry:
    """The entry of a model that upscales pictures. Raises SrcliError."""
    from srcli.weights import manifest

    return manifest.load().model(name)


def fetch_models(names: Sequence[str | None], output: Output) -> None:
    """Fetch missing weights of models that upscale pictures; a name may be spandrel:FILE. Raises SrcliError."""
    from srcli.weights.model_files import file_in

    fetch_entries([known_model(name) for name in names if name is None or file_in(name) is None], output)


def fetch_entries(entries: Sequence[Entry], output: Output) -> None:
    """Fetch missing weights of models, after announcing their size and licence. Raises SrcliError."""
    from srcli.weights import extras, store
    from srcli.weights import pull as pulling

    for entry in entries:
        extras.check(entry)
    incomplete = [entry for entry in entries if store.missing(entry)]
    for entry in incomplete:
        announce(entry, output)
    if incomplete:
        with progress(output) as report:
            pulling.pull(incomplete, pulling.PullOptions(report=report))


def announce(entry: Entry, output: Output) -> None:
    """Print the size, source and licence of a model's missing weights."""
    from srcli.weights import pull, store

    parts = [part for part in store.missing(entry) if part.sources]
    if not parts:
        return
    sizes = [part.bytes for part in parts]
    size = "of unknown size" if None in sizes else f"{sum(s for s in sizes if s) / 1e6:,.1f} MB"
    places = ", ".join(dict.fromkeys(str(part.sources[0]) for part in parts if part.sources))
    output.notice(f"{entry.name}: {size}{' from ' + places if places else ''}; {pull.terms(entry)}")


def pull_options(output: Output, report: Report, *, offline: bool, retries: int, timeout: float) -> PullOptions:
    """The options of a download, from those of the command."""
    from srcli.weights import pull
    from srcli.weights.download import Patience

    return pull.PullOptions(offline, Patience(attempts=retries, timeout=timeout), report)


@contextmanager
def progress(output: Output) -> Iterator[Report]:
    """Show a progress bar per file, unless the output is quiet, JSON or not a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from srcli.weights.pull import Report

    if output.quiet or output.json or not sys.stderr.isatty():
        yield Report(say=output.notice)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=output.err, transient=True) as bar:
        output.live = bar.console
        tasks, lock = {}, threading.Lock()

        def on_bytes(file: str, done: int, total: int | None) -> None:
            with lock:
                if file not in tasks:
                    tasks[file] = bar.add_task(file, total=total)
            bar.update(tasks[file], completed=done, total=total)

        try:
            yield Report(on_bytes, output.notice)
        finally:
            output.live = None
