"""Read a file, decide whether it can be skipped, and log its outcome in the ledger."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from srcli import files, images
from srcli.batch.batches import Batch
from srcli.batch.earlier import differences, earlier
from srcli.batch.ledger import Ledger, LedgerError, stamp
from srcli.batch.names import STREAM, InputError, Item, UsageError, resolved
from srcli.batch.records import Record
from srcli.errors import reason_of
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
    if ledger is None or (path := ledger.done(key)) is None or not batch.accepts(ledger.made(key)):
        return None
    again = "; use --no-ledger to make it again" if batch.options.overwrite else ""
    text = f"{path} was already made from this file{again}"
    return Record(input=str(item.source), status="skipped", output=str(path), error=text, reason="unchanged")


def refused_before(item: Item, key: str, batch: Batch) -> Record | None:
    """The record of a file that could not be read as a picture in an earlier run."""
    ledger = batch.ledger(item)
    if ledger is None or batch.options.retry_failed or (why := ledger.failed(key)) is None:
        return None
    text = f"{why} (failed in an earlier run; use --retry-failed to try again)"
    return Record(
        input=str(item.source), status="failed", error=text, reason="unreadable", retryable=False, exit_code=1
    )


def large_enough(item: Item, size: Size, target: Target) -> Record:
    """The record of a picture that already has the size asked for. On standard output, no picture is a failure."""
    name = "standard input" if item.source == STREAM else str(item.source)
    text = f"{name} is large enough: it has {size} pixels, the result would have {target.size(size)}"
    if item.file == STREAM:
        told = f"{text}; nothing was written"
        return Record(input=str(item.source), status="failed", error=told, reason="large-enough", exit_code=1)
    return Record(input=str(item.source), status="skipped", error=text, reason="large-enough")


def earlier_result(item: Item, batch: Batch) -> Record | None:
    """The record of a file found in a folder that is itself a result of one of the inputs."""
    ledger = batch.ledger(item)
    if not item.found or ledger is None or ledger.origin(item.source) not in batch.sources:
        return None
    text = f"{item.source} is a result of an earlier run; to use it anyway, give its path"
    return Record(input=str(item.source), status="skipped", error=text, reason="earlier-result")


def refused(item: Item, key: str, batch: Batch, error: images.ImageError) -> Record:
    """The record of a file that is not a readable picture; the ledger remembers it, so that it is not tried again."""
    logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
    record = Record(
        input=str(item.source),
        status="failed",
        error=str(error),
        reason=reason_of(error),
        retryable=error.retryable,
        exit_code=error.exit_code,
    )
    if type(error) is not images.ImageError:
        return record
    return add_entry(
        record, batch.ledger(item), key, {"status": "failed", "input": record.input, "error": record.error}
    )


Outcome = dict[str, Any]  # status, reason and error of a record


def standing(path: Path, batch: Batch, item: Item, sha256: str = "", made: Mapping[str, Any] | None = None) -> Outcome:
    """What becomes of a result because of what is already at `path`; empty if it is to be made.

    sha256: of the item's file.
    made: how the result would be made now, as `earlier.made_now` has it; None if only the ledger's key counts.
    Raises UsageError if `path` is one of the inputs.
    """
    if os.path.exists(path) and resolved(path) in batch.sources:  # Path.exists raises on names that are too long
        raise UsageError(f"{path} is one of the inputs; choose another output")
    if batch.options.overwrite or not os.path.lexists(path):
        return {}
    found = earlier(path, item, batch.ledger(item), sha256)
    changed = [] if made is None else differences(found.made, made, any_precision=batch.options.precision == "auto")
    why = f"with {', '.join(changed)}" if changed else ""
    if found.logged and found.same is False:
        why = "from another version of the file"
    elif found.logged and not (found.made and made):
        why = "from another version of the file or with other settings"
    if why and (found.logged or found.same is not False):
        return stale(f"{path} was made {why}", batch)
    if found.same and found.made:
        return _outcome("skipped", "unchanged", f"{path} was already made from this file")
    where = "was made from another file" if found.same is False else "exists"
    return _outcome("skipped", "exists", f"{path} {where}; use --overwrite to replace it")


def stale(text: str, batch: Batch) -> Outcome:
    """What becomes of a result that is not what is asked for now; empty if it is to be made again."""
    if batch.options.remake_stale:
        return {}
    return _outcome("stale", "stale", f"{text}; use --remake-stale to make it again")


def made_elsewhere(path: Path, key: str, batch: Batch, item: Item, *, replaces: bool) -> Outcome:
    """What becomes of a result because another process has just made it; empty if it is to be made. Call it holding the
    claim.

    replaces: whether the result is to replace what is at `path`.
    """
    if not os.path.lexists(path):
        return {}
    ledger = batch.ledger(item)
    read_again(ledger)
    if ledger is not None and ledger.done(key) and batch.accepts(ledger.made(key)):
        return _outcome("skipped", "made-elsewhere", f"{path} was made by another process in the meantime")
    return {} if replaces else _outcome("skipped", "exists", f"{path} exists; use --overwrite to replace it")


def busy(taken: files.Taken) -> Outcome:
    """What becomes of a result that another process is making."""
    return _outcome("skipped", "busy", str(taken)) | {"retryable": True}


def wait_until_free(path: Path, last: float, ends: Callable[[], bool]) -> bool:
    """Wait until no other process makes a file; False if one still does.

    last: when to give up, by `time.monotonic`.
    ends: asked every half second; whether to give up at once.
    """
    while not ends():
        claim = files.Claim(path)
        try:
            claim.take()
            return True
        except files.Taken:
            if time.monotonic() > last:
                return False
        except OSError:
            return True  # making it gives the reason
        finally:
            claim.drop()
        time.sleep(0.5)
    return False


def read_again(ledger: Ledger | None) -> None:
    """Read what other processes have added to a ledger."""
    if ledger is not None:
        with contextlib.suppress(LedgerError):
            ledger.read()


def meanwhile(record: Record) -> Record:
    """The record of a file that another process was making: if its result is there now, it was not there before."""
    if record.reason not in ("unchanged", "exists"):
        return record
    text = f"{record.output} was made by another process in the meantime"
    return replace(record, reason="made-elsewhere", error=text)


def _outcome(status: str, reason: str, text: str) -> Outcome:
    return {"status": status, "reason": reason, "error": text}


def named_apart(path: Path, batch: Batch, item: Item, sha256: str, *, model: str, chosen: bool) -> Path:
    """The default name of a result, or the one with its model if another model's result has that name.

    model: the model that makes the result.
    chosen: whether `auto` chose it. Its choices share a name, as they are one command's.
    """
    marked = path.with_name(f"{path.stem}_{model}{path.suffix}")
    if os.path.lexists(marked) and earlier(marked, item, batch.ledger(item), sha256).model == model:
        return marked
    if not os.path.lexists(path):
        return path
    found = earlier(path, item, batch.ledger(item), sha256)
    if found.model in (None, model) or (chosen and found.made.get("why")):
        return path
    return marked


def enter_result(record: Record, path: Path, part: Path, key: str, ledger: Ledger | None, **facts: Any) -> Record:
    """Enter a result in the ledger just before its temporary file `part` is renamed to `path`.

    So another process that finds the file, or waited for the claim, also finds the entry. If this process dies in
    between, the entry matches no file and is ignored.

    facts: what else to keep: `sha256` of the input and how it was `made`.
    """
    if ledger is None:
        return record
    where = os.path.relpath(path, ledger.path.parent)
    entry = {"status": "done", "input": record.input, "output": where, **stamp(part), **facts}
    return add_entry(record, ledger, key, entry)


def add_entry(record: Record, ledger: Ledger | None, key: str, entry: dict[str, Any]) -> Record:
    """Append an entry to the ledger. A ledger that cannot be written only adds a note to the record."""
    if ledger is not None:
        try:
            ledger.add(key, entry)
        except LedgerError as error:
            return replace(record, notes=(*record.notes, str(error)))
    return record
