"""Enlarge one file within limits, for a program that answers somebody else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from srcli import batch
from srcli.batch.names import Item
from srcli.batch.records import Record, failure
from srcli.errors import SrcliError
from srcli.service.models import Models
from srcli.service.wanted import Wanted
from srcli.upscaler import Upscaler

HINT = "; raise it with --max-pixels"  # what users of a server cannot do


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost.

    bytes: of its file.
    pixels, result: of its picture, and of what is made of it.
    seconds: from its arrival to its result; None for any.
    """

    bytes: int = 64 * 10**6
    pixels: int = 50 * 10**6
    result: int = 200 * 10**6
    seconds: float | None = 600.0


class TimedOut(SrcliError):
    """A picture that took too long."""

    reason, retryable = "timeout", True


class Cancelled(SrcliError):
    """A picture that nobody waits for any more."""

    reason = "cancelled"


class Stop:
    """Ends a request: after a time, or because somebody says so.

    seconds: None for any.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds, self.started = seconds, time.monotonic()
        self.asked = threading.Event()

    def check(self) -> None:
        """Raise Cancelled or TimedOut if it is to end."""
        if self.asked.is_set():
            raise Cancelled("cancelled")
        if self.seconds is not None and time.monotonic() - self.started > self.seconds:
            raise TimedOut(f"not finished after {self.seconds:g} seconds, the limit here")


def enlarge(
    source: Path,
    out: Path | None,
    wanted: Wanted,
    models: Models,
    *,
    limits: Limits,
    stop: Stop | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    overwrite: bool = False,
) -> Record:
    """Enlarge a file as `srcli upscale` does; what went wrong is in the record, too.

    out: folder, file or template; None for beside the input.
    stop: asked whenever there is progress.
    progress: told output pixels, done and in total.
    """
    halt, item = stop or Stop(limits.seconds), Item(source, source.parent)

    def report(item: Item, done: int, total: int) -> None:
        halt.check()
        progress(done, total)

    try:
        halt.check()
        upscaler = models.get(wanted.model)
        upscaler.check_target(wanted.target)
        upscaler.settled(wanted.sampling)
        _check_place(source, out)
        plan = batch.plan([source], out, suffix=wanted.suffix)
        job = batch.UpscaleBatch(
            upscaler=upscaler,
            target=wanted.target,
            sampling=wanted.sampling,
            options=_options(wanted, limits, overwrite=overwrite),
            sources=plan.sources,
        )
        (record,) = batch.run(plan.items, job, report)
    except SrcliError as error:
        return replace(failure(item, error, alone=False), error=str(error).replace(HINT, ""))
    if record.error:
        return replace(record, error=record.error.replace(HINT, ""))
    return replace(record, notes=record.notes + _unheeded(wanted, upscaler))


def without_folder(record: Record, *folders: Path) -> Record:
    """The record with bare file names, for those who must not learn where a server keeps its files."""

    def bare(text: str | None) -> str | None:
        for folder in sorted(folders, key=lambda each: -len(str(each))):
            text = text and text.replace(f"{folder}{os.sep}", "")
        return text

    notes = tuple(str(bare(note)) for note in record.notes)
    return replace(
        record, input=str(bare(record.input)), output=bare(record.output), error=bare(record.error), notes=notes
    )


def _check_place(source: Path, out: Path | None) -> None:
    if batch.STREAM in (source, out):
        raise batch.UsageError("a request names files; standard input and output belong to the server")
    if source.is_dir():
        raise batch.UsageError(f"{source} is a folder; a request is for one picture")


def _options(wanted: Wanted, limits: Limits, *, overwrite: bool) -> batch.RunOptions:
    if wanted.frame is not None and wanted.frame < 1:
        raise batch.UsageError(f"frames are counted from 1, not from {wanted.frame}")
    return batch.RunOptions(
        suffix=wanted.suffix,
        style=wanted.style,
        overwrite=overwrite,
        frame=None if wanted.frame is None else wanted.frame - 1,
        strip=wanted.strip,
        provenance=wanted.provenance,
        max_pixels=limits.pixels,
        max_result=limits.result,
    )


def _unheeded(wanted: Wanted, upscaler: Upscaler) -> tuple[str, ...]:
    """Which options the model does not look at."""
    name = upscaler.entry.name
    return tuple(f"{option} has no effect on {name}" for option in upscaler.ignored(wanted.sampling))
