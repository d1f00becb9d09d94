"""A file before any work and after it: its bytes, what the ledger says of it, and what the ledger is told."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from srcli import images
from srcli.batch.job import Batch, Record
from srcli.batch.ledger import Ledger, LedgerError, stamp
from srcli.batch.plan import STREAM, InputError, Item, UsageError, resolved
from srcli.images.read import file_bytes


def bytes_of(item: Item) -> bytes:
    """The contents of an item's file, or of standard input. Raises SrcliError."""
    source = item.source
    if source == STREAM:
        data = sys.stdin.buffer.read()
        if not data:
            raise InputError("nothing came on standard input")
        return data
    if source.is_dir():
        list(os.scandir(source))  # a folder that cannot be read says why
        raise InputError(f"no pictures in {source}; --recursive also takes those of folders below")
    if source.is_symlink() and not source.exists():
        raise InputError(f"{source} is a link to {os.readlink(source)}, which does not exist")
    return file_bytes(source)


def done_before(item: Item, key: str, job: Batch) -> Record | None:
    """The record of a piece of work whose result is there. What was made from the same bytes with the same settings,
    and was not touched since, would be the same again: it is kept also with --overwrite, so that such a run can go on.
    """
    ledger = job.ledger(item)
    if ledger is None or (path := ledger.done(key)) is None:
        return None
    again = "; --no-ledger makes it again" if job.options.overwrite else ""
    text = f"{path} was made before from the same file{again}"
    return Record(str(item.source), "skipped", output=str(path), error=text)


def refused_before(item: Item, key: str, job: Batch) -> Record | None:
    """The record of a file that was no picture when it was last tried."""
    ledger = job.ledger(item)
    if ledger is None or job.options.retry_failed or (why := ledger.failed(key)) is None:
        return None
    text = f"{why} (known from before; --retry-failed tries again)"
    return Record(str(item.source), "failed", error=text, exit_code=1)


def earlier_result(item: Item, job: Batch) -> Record | None:
    """The record of a file, found in a folder and not named, that these runs have made of another of their inputs."""
    ledger = job.ledger(item)
    if not item.found or ledger is None or ledger.origin(item.source) not in job.sources:
        return None
    text = f"{item.source} is a result of an earlier run; name it to take it all the same"
    return Record(str(item.source), "skipped", error=text)


def refused(item: Item, key: str, job: Batch, error: images.ImageError) -> Record:
    """The record of a file that is no picture; it will be none the next time either, unless the person changes
    something."""
    logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
    record = Record(str(item.source), "failed", error=str(error), exit_code=error.exit_code)
    if type(error) is not images.ImageError:
        return record
    return entered(record, job.ledger(item), key, {"status": "failed", "input": record.input, "error": record.error})


def why_kept(path: Path, job: Batch, item: Item) -> str | None:
    """Why a result is not to take a place, if there is something. Raises UsageError where that is an input."""
    if os.path.exists(path) and resolved(path) in job.sources:  # not Path.exists: it raises for too long names
        raise UsageError(f"{path} is an input itself; give another output")
    if job.options.overwrite or not os.path.lexists(path):
        return None
    ledger = job.ledger(item)
    if ledger is not None and ledger.origin(path):
        return f"{path} was made before, from another version of the file or otherwise; --overwrite replaces it"
    return f"{path} exists; --overwrite replaces it"


def made_meanwhile(path: Path, key: str, job: Batch, item: Item) -> str | None:
    """Whether another process has finished the same piece of work since this one looked; asked for with the claim."""
    if not os.path.lexists(path):
        return None
    if not job.options.overwrite:
        return f"{path} exists; --overwrite replaces it"
    ledger = job.ledger(item)
    if ledger is not None:
        with contextlib.suppress(LedgerError):
            ledger.read()
    return f"{path} was made by another process" if ledger is not None and ledger.done(key) else None


def enter(record: Record, path: Path, part: Path, key: str, ledger: Ledger | None) -> Record:
    """Into the ledger just before the file `part` gets its name `path`, so that another process which finds the name,
    or was waiting for the claim, also finds the entry. If this process dies in between, the entry fits no file."""
    if ledger is None:
        return record
    where = os.path.relpath(path, ledger.path.parent)
    return entered(record, ledger, key, {"status": "done", "input": record.input, "output": where, **stamp(part)})


def entered(record: Record, ledger: Ledger | None, key: str, entry: dict[str, Any]) -> Record:
    """Write what became of a file into the ledger. A ledger that cannot be written costs no result: it is a note."""
    if ledger is not None:
        try:
            ledger.add(key, entry)
        except LedgerError as error:
            return replace(record, notes=(*record.notes, str(error)))
    return record
