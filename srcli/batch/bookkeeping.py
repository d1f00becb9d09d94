"""Read a file, decide whether it can be skipped, and log its outcome in the ledger."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from srcli import images
from srcli.batch.batches import Batch
from srcli.batch.ledger import Ledger, LedgerError, stamp
from srcli.batch.names import STREAM, InputError, Item, UsageError, resolved
from srcli.batch.records import Record
from srcli.geometry import Size, Target
from srcli.images.read import file_bytes


def read_bytes(item: Item) -> bytes:
    """The bytes of an item's file or of standard input. Raises SrcliError."""
    source = item.source
    if source == STREAM:
        data = sys.stdin.buffer.read()
        if not data:
            raise InputError("standard input is empty")
        return data
    if source.is_dir():
        list(os.scandir(source))  # raises the reason if the folder cannot be read
        raise InputError(f"no pictures in {source}; use --recursive to search its subfolders")
    if source.is_symlink() and not source.exists():
        raise InputError(f"{source} is a broken link: {os.readlink(source)} does not exist")
    return file_bytes(source)


def done_before(item: Item, key: str, batch: Batch) -> Record | None:
    """The record of a result that is already there, made from the same bytes with the same settings and unchanged.

    Such a result is kept even with --overwrite, so that an interrupted run can continue.
    """
    ledger = batch.ledger(item)
    if ledger is None or (path := ledger.done(key)) is None:
        return None
    again = "; use --no-ledger to make it again" if batch.options.overwrite else ""
    text = f"{path} was already made from this file{again}"
    return Record(input=str(item.source), status="skipped", output=str(path), error=text)


def refused_before(item: Item, key: str, batch: Batch) -> Record | None:
    """The record of a file that could not be read as a picture in an earlier run."""
    ledger = batch.ledger(item)
    if ledger is None or batch.options.retry_failed or (why := ledger.failed(key)) is None:
        return None
    text = f"{why} (failed in an earlier run; use --retry-failed to try again)"
    return Record(input=str(item.source), status="failed", error=text, exit_code=1)


def large_enough(item: Item, size: Size, target: Target) -> Record:
    """The record of a picture that already has the size asked for. On standard output, no picture is a failure."""
    name = "standard input" if item.source == STREAM else str(item.source)
    text = f"{name} is large enough: it has {size} pixels, the result would have {target.size(size)}"
    if item.file == STREAM:
        return Record(input=str(item.source), status="failed", error=f"{text}; nothing was written", exit_code=1)
    return Record(input=str(item.source), status="skipped", error=text)


def earlier_result(item: Item, batch: Batch) -> Record | None:
    """The record of a file found in a folder that is itself a result of one of the inputs."""
    ledger = batch.ledger(item)
    if not item.found or ledger is None or ledger.origin(item.source) not in batch.sources:
        return None
    text = f"{item.source} is a result of an earlier run; to use it anyway, give its path"
    return Record(input=str(item.source), status="skipped", error=text)


def refused(item: Item, key: str, batch: Batch, error: images.ImageError) -> Record:
    """The record of a file that is not a readable picture; the ledger remembers it, so that it is not tried again."""
    logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
    record = Record(input=str(item.source), status="failed", error=str(error), exit_code=error.exit_code)
    if type(error) is not images.ImageError:
        return record
    return add_entry(
        record, batch.ledger(item), key, {"status": "failed", "input": record.input, "error": record.error}
    )


def reason_to_skip(path: Path, batch: Batch, item: Item) -> str | None:
    """Why a result must not be written to `path`, or None. Raises UsageError if `path` is one of the inputs."""
    if os.path.exists(path) and resolved(path) in batch.sources:  # Path.exists raises on names that are too long
        raise UsageError(f"{path} is one of the inputs; choose another output")
    if batch.options.overwrite or not os.path.lexists(path):
        return None
    ledger = batch.ledger(item)
    if ledger is not None and ledger.origin(path):
        return f"{path} was made from another version of the file or with other settings; use --overwrite to replace it"
    return f"{path} exists; use --overwrite to replace it"


def made_elsewhere(path: Path, key: str, batch: Batch, item: Item) -> str | None:
    """Why a result need not be made because another process has just made it, or None. Call it holding the claim."""
    if not os.path.lexists(path):
        return None
    if not batch.options.overwrite:
        return f"{path} exists; use --overwrite to replace it"
    ledger = batch.ledger(item)
    if ledger is not None:
        with contextlib.suppress(LedgerError):
            ledger.read()
    return f"{path} was made by another process" if ledger is not None and ledger.done(key) else None


def enter_result(record: Record, path: Path, part: Path, key: str, ledger: Ledger | None) -> Record:
    """Enter a result in the ledger just before its temporary file `part` is renamed to `path`.

    So another process that finds the file, or waited for the claim, also finds the entry. If this process dies in
    between, the entry matches no file and is ignored.
    """
    if ledger is None:
        return record
    where = os.path.relpath(path, ledger.path.parent)
    return add_entry(record, ledger, key, {"status": "done", "input": record.input, "output": where, **stamp(part)})


def add_entry(record: Record, ledger: Ledger | None, key: str, entry: dict[str, Any]) -> Record:
    """Append an entry to the ledger. A ledger that cannot be written only adds a note to the record."""
    if ledger is not None:
        try:
            ledger.add(key, entry)
        except LedgerError as error:
            return replace(record, notes=(*record.notes, str(error)))
    return record
