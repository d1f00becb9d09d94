"""Many files: one is decoded, one computed and one encoded at a time; one record per file whatever happens."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from srcli.batch.job import Job, Record, failure
from srcli.batch.plan import Item
from srcli.batch.work import Ready, Writing, prepare
from srcli.images.layout import Band

if TYPE_CHECKING:
    from srcli.tiling.strips import Count

BANDS_AHEAD = 2  # that wait to be encoded
FILES_AHEAD = 2  # that wait to be encoded behind the one that is
MOMENT = 1.0  # seconds that a run which is stopped waits for its threads
Progress = Callable[[Item, int, int], None]
LARGE = 64 * 2**20  # bytes of a result from which only one at a time is in memory


class Stopped(Exception):
    """The run is to end now; nothing unfinished keeps a name."""


@dataclass(slots=True)
class Control:
    """How a run is told to end: `finish` after the files in work, `stop` at once."""

    finish: threading.Event
    stop: threading.Event

    @classmethod
    def new(cls) -> Control:
        return cls(threading.Event(), threading.Event())


class Bands:
    """Bands from the thread that computes to the one that encodes, a few at a time."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.queue: queue.Queue[Band | BaseException | None] = queue.Queue(BANDS_AHEAD)
        self.closed = threading.Event()  # nobody reads any more

    def put(self, band: Band | BaseException | None) -> bool:
        """False where nobody reads any more."""
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


@dataclass(slots=True)
class Pending:
    """A file whose computation is over, while it is encoded."""

    ready: Ready
    future: Future[Record]
    count: Count
    seconds: float = 0.0


def run(
    items: list[Item], job: Job, progress: Progress = lambda item, done, total: None, control: Control | None = None
) -> Iterator[Record]:
    """One record per item, in their order. A file that fails does not stop the others; a usage error of a single file
    is raised."""
    control = control or Control.new()
    reader, writer = ThreadPoolExecutor(1, "decode"), ThreadPoolExecutor(1, "encode")
    worker = _Worker(job, progress, control, writer, alone=len(items) == 1)
    try:
        yield from worker.all(items, reader)
    finally:
        control.stop.set()
        reader.shutdown(wait=False, cancel_futures=True)
        writer.shutdown(wait=False)
        if worker.encoding is not None:  # the last, behind all others; each removes what it has not finished
            wait([worker.encoding], timeout=MOMENT)


@dataclass(slots=True)
class _Worker:
    job: Job
    progress: Progress
    control: Control
    writer: ThreadPoolExecutor
    alone: bool
    pending: deque[Pending | Record] = field(default_factory=deque)
    encoding: Future[Record] | None = None  # the latest

    def all(self, items: list[Item], reader: ThreadPoolExecutor) -> Iterator[Record]:
        following: Future[Ready | Record] | None = None
        # To stop at the first failure, nothing is begun before it is known how the file before ended.
        ahead = 0 if self.job.options.fail_fast else FILES_AHEAD
        for number, item in enumerate(items):
            if self.control.finish.is_set() or self.control.stop.is_set():
                break
            made = following or reader.submit(prepare, item, self.job)
            following = reader.submit(prepare, items[number + 1], self.job) if number + 1 < len(items) else None
            self.pending.append(self._one(item, made))
            failed = False
            for record in self._finished(ahead):
                failed = failed or record.status == "failed"
                yield record
            if failed and self.job.options.fail_fast:
                break
        if following is not None:
            following.cancel()
        yield from self._finished(0)

    def _one(self, item: Item, made: Future[Ready | Record]) -> Pending | Record:
        """Compute a file; it is still being encoded when this returns."""
        try:
            found = made.result()
            if isinstance(found, Record):
                return found
            return self._compute(found)
        except Exception as error:
            return self._failed(item, error)

    def _compute(self, ready: Ready) -> Pending | Record:
        item, start = ready.item, perf_counter()

        def told(done: int, total: int) -> None:
            self.progress(item, done, total)

        several = len(ready.frames) > 1
        how = ready.how
        stream = None if several else how.upscaler.stream(ready.picture, self.job.target, how.sampling, told)
        writing = Writing(ready, self.job, stream)
        if skipped := writing.open():
            return skipped
        if stream is None:
            return _counted(writing.write((), told), writing.counts, perf_counter() - start)
        bands = Bands(self.control)
        future = self.encoding = self.writer.submit(_encode, writing, bands, told)
        pending = Pending(ready, future, stream.count)
        self._hand_over(stream.bands, bands, future)
        pending.seconds = perf_counter() - start
        if stream.layout.bytes > LARGE:
            wait([future])
        return pending

    def _hand_over(self, produce: Callable[[], Iterator[Band]], bands: Bands, future: Future[Record]) -> None:
        """Compute into the queue. An error on this side reaches the encoder, which then removes its file."""
        try:
            for band in produce():
                if not bands.put(band):
                    return  # the encoder has failed, and says why
            bands.put(None)
        except Exception as error:
            bands.put(error)
            wait([future])
            raise

    def _finished(self, ahead: int) -> Iterator[Record]:
        """Records of files that are through, waiting until at most so many are not."""
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
            return self._failed(pending.ready.item, error)
        if record.status != "done":
            return record
        return _counted(record, [pending.count], pending.seconds)

    def _failed(self, item: Item, error: Exception) -> Record:
        """The record of a failure; a usage error of the only file is raised."""
        if isinstance(error, Stopped):
            raise KeyboardInterrupt from None
        return failure(item, error, self.alone)


def _counted(record: Record, counts: list[Count], seconds: float) -> Record:
    """The record of a result with what it took, and notes of what went wrong on the way."""
    tiles, redone, exploded, guarded = (
        sum(getattr(count, name) for count in counts) for name in ("tiles", "redone", "exploded", "guarded")
    )
    notes = record.notes
    if redone:
        notes += (f"{redone} of {tiles} tiles were not finite and were redone in float32",)
    if exploded:
        notes += (f"the flow's inverse exploded in {exploded} patches, which were bounded or redone",)
    if guarded:
        notes += (f"{guarded} of {tiles} tiles did not match the input and were redone more faithfully",)
    return replace(
        record, seconds=round(seconds, 3), tiles=tiles, redone_tiles=redone, exploded=exploded, guarded_tiles=guarded,
        notes=notes,
    )  # fmt: skip


def _encode(writing: Writing, bands: Bands, told: Callable[[int, int], None]) -> Record:
    try:
        return writing.write(bands, told)
    finally:
        bands.closed.set()


def exit_code(records: list[Record], many: bool = False) -> int:
    """0 all done; 3 some failed; for a run in which nothing was done, the code of its failures (1 if they differ).
    What is there already was done, except where it is all that a run was asked for that is no batch (`many`)."""
    failed = [r for r in records if r.status == "failed"]
    if not failed:
        return 1 if records and all(r.status == "skipped" for r in records) and not many else 0
    if len(failed) < len(records):
        return 3
    codes = {r.exit_code for r in failed}
    return codes.pop() if len(codes) == 1 else 1
