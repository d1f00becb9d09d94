"""Upscale many files: one is decoded, one computed and one encoded at the same time."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from srcli.batch.batches import UpscaleBatch
from srcli.batch.names import Item
from srcli.batch.records import Record, failure
from srcli.batch.work import Prepared, Writing, prepare
from srcli.images.layout import Band

if TYPE_CHECKING:
    from srcli.tiling.strips import Count

BANDS_AHEAD = 2  # bands that may wait for the encoder
FILES_AHEAD = 2  # files that may wait for the encoder
STOP_SECONDS = 1.0  # how long a stopped run waits for its encoder
Progress = Callable[[Item, int, int], None]
LARGE = 64 * 2**20  # results above this many bytes are kept in memory one at a time


class Stopped(Exception):
    """The run must end now; unfinished results are removed."""


@dataclass(slots=True)
class Control:
    """Signals to a run: `finish` ends it after the current files, `stop` at once."""

    finish: threading.Event
    stop: threading.Event

    @classmethod
    def new(cls) -> Control:
        return cls(threading.Event(), threading.Event())


class Bands:
    """A bounded queue of bands from the computing thread to the encoding one."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.queue: queue.Queue[Band | BaseException | None] = queue.Queue(BANDS_AHEAD)
        self.closed = threading.Event()  # the encoder has ended

    def put(self, band: Band | BaseException | None) -> bool:
        """Hand over a band; False if the encoder has ended."""
        while not (self.closed.is_set() or self.control.stop.is_set()):
            try:
                self.queue.put(band, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[Band]:
        while True:
            if self.control.stop.is_set():
                raise Stopped
            try:
                band = self.queue.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(band, BaseException):
                raise band
            if band is None:
                return
            yield band


@dataclass(slots=True, kw_only=True)
class Pending:
    """A file that is computed and still being encoded.

    seconds: time spent computing.
    """

    prepared: Prepared
    future: Future[Record]
    count: Count
    seconds: float = 0.0


def run(
    items: list[Item],
    batch: UpscaleBatch,
    progress: Progress = lambda item, done, total: None,
    control: Control | None = None,
) -> Iterator[Record]:
    """Yield one record per item, in order.

    A failed file does not stop the others. With a single item, a usage error is raised instead of recorded.
    """
    control = control or Control.new()
    reader, writer = ThreadPoolExecutor(1, "decode"), ThreadPoolExecutor(1, "encode")
    worker = _Worker(batch=batch, progress=progress, control=control, writer=writer, alone=len(items) == 1)
    try:
        yield from worker.all(items, reader)
    finally:
        control.stop.set()
        reader.shutdown(wait=False, cancel_futures=True)
        writer.shutdown(wait=False)
        if worker.encoding is not None:  # the last in the queue; each removes its unfinished file
            wait([worker.encoding], timeout=STOP_SECONDS)


@dataclass(slots=True, kw_only=True)
class _Worker:
    batch: UpscaleBatch
    progress: Progress
    control: Control
    writer: ThreadPoolExecutor
    alone: bool
    pending: deque[Pending | Record] = field(default_factory=deque)
    encoding: Future[Record] | None = None  # the most recent

    def all(self, items: list[Item], reader: ThreadPoolExecutor) -> Iterator[Record]:
        following: Future[Prepared | Record] | None = None
        # With --fail-fast, no file is started before the outcome of the previous one is known.
        ahead = 0 if self.batch.options.fail_fast else FILES_AHEAD
        for number, item in enumerate(items):
            if self.control.finish.is_set() or self.control.stop.is_set():
                break
            made = following or reader.submit(prepare, item, self.batch)
            following = reader.submit(prepare, items[number + 1], self.batch) if number + 1 < len(items) else None
            self.pending.append(self._one(item, made))
            failed = False
            for record in self._finished(ahead):
                failed = failed or record.status == "failed"
                yield record
            if failed and self.batch.options.fail_fast:
                break
        if following is not None:
            following.cancel()
        yield from self._finished(0)

    def _one(self, item: Item, made: Future[Prepared | Record]) -> Pending | Record:
        """Compute a file; it may still be encoding when this returns."""
        try:
            found = made.result()
            if isinstance(found, Record):
                return found
            return self._compute(found)
        except Exception as error:
            return self._failed(item, error)

    def _compute(self, prepared: Prepared) -> Pending | Record:
        item, start = prepared.item, perf_counter()

        def report(done: int, total: int) -> None:
            self.progress(item, done, total)

        several = len(prepared.frames) > 1
        chosen = prepared.chosen
        stream = (
            None if several else chosen.upscaler.stream(prepared.picture, self.batch.target, chosen.sampling, report)
        )
        writing = Writing(prepared, self.batch, stream)
        if skipped := writing.open():
            return skipped
        if stream is None:
            return _counted(writing.write((), report), writing.counts, perf_counter() - start)
        bands = Bands(self.control)
        future = self.encoding = self.writer.submit(_encode, writing, bands, report)
        pending = Pending(prepared=prepared, future=future, count=stream.count)
        self._hand_over(stream.bands, bands, future)
        pending.seconds = perf_counter() - start
        if stream.layout.bytes > LARGE:
            wait([future])
        return pending

    def _hand_over(self, produce: Callable[[], Iterator[Band]], bands: Bands, future: Future[Record]) -> None:
        """Compute bands into the queue. An error here also reaches the encoder, which then removes its file."""
        try:
            for band in produce():
                if not bands.put(band):
                    return  # the encoder failed and reports the reason
            bands.put(None)
        except Exception as error:
            bands.put(error)
            wait([future])
            raise

    def _finished(self, ahead: int) -> Iterator[Record]:
        """Yield records of finished files, waiting until at most `ahead` files are unfinished."""
        while self.pending:
            first = self.pending[0]
            if isinstance(first, Pending):
                waiting = sum(isinstance(p, Pending) and not p.future.done() for p in self.pending)
                if waiting <= ahead and not first.future.done():
                    return
                first = self._result(first)
            self.pending.popleft()
            yield first

    def _result(self, pending: Pending) -> Record:
        try:
            record = pending.future.result()
        except Exception as error:
            return self._failed(pending.prepared.item, error)
        if record.status != "done":
            return record
        return _counted(record, [pending.count], pending.seconds)

    def _failed(self, item: Item, error: Exception) -> Record:
        """The record of a failed file. Raises a usage error if it is the only file."""
        if isinstance(error, Stopped):
            raise KeyboardInterrupt from None
        return failure(item, error, self.alone)


def _counted(record: Record, counts: list[Count], seconds: float) -> Record:
    """Add time and tile counts to the record of a result, with notes about what had to be repaired."""
    tiles, redone, exploded, guarded = (
        sum(getattr(count, name) for count in counts) for name in ("tiles", "redone", "exploded", "guarded")
    )
    notes = record.notes
    if redone:
        notes += (f"{redone} of {tiles} tiles had non-finite values and were recomputed in float32",)
    if exploded:
        notes += (f"the flow's inverse exploded in {exploded} patches, which were bounded or recomputed",)
    if guarded:
        notes += (f"{guarded} of {tiles} tiles did not match the input and were recomputed with less detail",)
    counted = {"tiles": tiles, "redone_tiles": redone, "exploded": exploded, "guarded_tiles": guarded}
    return replace(record, seconds=round(seconds, 3), notes=notes, **counted)


def _encode(writing: Writing, bands: Bands, report: Callable[[int, int], None]) -> Record:
    try:
        return writing.write(bands, report)
    finally:
        bands.closed.set()


def exit_code(records: list[Record]) -> int:
    """The exit code of a run: 0 if all files are done or skipped, 3 if some failed.

    If every file failed, it is the exit code that the failures share, or 1.
    """
    failed = [r for r in records if r.status == "failed"]
    if not failed:
        return 0
    if len(failed) < len(records):
        return 3
    codes = {r.exit_code for r in failed}
    return codes.pop() if len(codes) == 1 else 1
