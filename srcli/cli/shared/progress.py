"""How far a run is: one bar for all its files on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from srcli.batch import Record
    from srcli.batch.names import Item

EVERY = 10.0  # seconds between two lines
SETTLED = 1.0  # seconds before which rates and times say nothing
LONGEST = 36  # characters of a name beside a bar


class Tracker:
    """The work of a run, done and to do. Files count by their bytes until more is known of them.

    Files that need no work are taken out of it, so that neither the share nor the time left depends on how many were
    skipped. What is shown never goes back and never exceeds the whole.
    """

    def __init__(self, items: Sequence[Item], clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.count = clock, len(items)
        self.place = {id(item): number for number, item in enumerate(items, 1)}
        self.weight = {str(item.source): _bytes(item) for item in items}
        self.share: dict[str, float] = {}  # of the files that are worked on or finished, from 0 to 1
        self.whole, self.done = float(sum(self.weight.values())), 0.0
        self.first = items[0].source.name if len(items) == 1 else ""
        self.current: Item | None = None
        self.number, self.most, self.rate = 0, 0.0, 0.0
        self.started = self.began = clock()
        self.lock = threading.Lock()

    def __call__(self, item: Item, done: int, total: int) -> None:
        """A file's pixels, or other units of work, done and in total."""
        with self.lock:
            now, name = self.clock(), str(item.source)
            if item is not self.current:
                if self.current is not None:
                    self._reach(str(self.current.source), 1.0)
                self.current, self.number, self.began = item, self.place.get(id(item), self.number), now
            if name not in self.weight:  # taken out, and worked on after all
                self.weight[name] = _bytes(item)
                self.whole += self.weight[name]
            self._reach(name, min(1.0, done / max(1, total)))
            self.rate = done / 1e6 / (now - self.began) if now - self.began > SETTLED else 0.0

    def ended(self, record: Record) -> None:
        """A file's outcome."""
        with self.lock:
            if record.status == "done" or record.input in self.share:
                self._reach(record.input, 1.0)
            else:
                self.whole -= self.weight.pop(record.input, 0)
                if self.current is None:  # no work so far
                    self.started = self.clock()

    def _reach(self, name: str, share: float) -> None:
        before = self.share.get(name, 0.0)
        if share > before:
            self.share[name] = share
            self.done += (share - before) * self.weight.get(name, 0)

    @property
    def fraction(self) -> float:
        """The share of the work that is done."""
        with self.lock:
            if self.whole > 0:
                self.most = max(self.most, min(1.0, self.done / self.whole))
            return self.most

    @property
    def left(self) -> float | None:
        """Seconds to go, None if that is not known yet."""
        done, spent = self.fraction, self.clock() - self.started
        return spent * (1 - done) / done if self.current is not None and done > 0 and spent > SETTLED else None

    @property
    def name(self) -> str:
        """The file that is worked on, with its number if there are several."""
        if self.current is None:
            return self.first
        name = self.current.source.name
        return name if self.count == 1 else f"{self.number}/{self.count} {name}"

    def line(self) -> str:
        """The progress in one line."""
        left = self.left
        time_left = "" if left is None else f", {_clock(left)} left"
        return f"{self.name}: {self.fraction:.0%}{' of all' if self.count > 1 else ''}{time_left}"


@contextmanager
def shown(items: Sequence[Item], output: Output, *, rated: bool = False) -> Iterator[Tracker]:
    """Show the progress of a run on standard error, unless it is quiet.

    rated: whether progress is in pixels, so that a rate can be shown.
    """
    tracker = Tracker(items)
    if output.quiet:
        yield tracker
    elif output.json or not sys.stderr.isatty():
        with _lines(tracker, output):
            yield tracker
    else:
        with _bar(tracker, output, rated):
            yield tracker


@contextmanager
def _lines(tracker: Tracker, output: Output) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        while not over.wait(EVERY):
            if tracker.current is not None:
                with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                    output.err.print(tracker.line(), markup=False)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()  # so that no line comes after the report of the run


@contextmanager
def _bar(tracker: Tracker, output: Output, rated: bool) -> Iterator[None]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    class Bar(Progress):
        """A bar that asks the tracker whenever it is drawn, several times a second."""

        def get_renderables(self):
            left, said = tracker.left, _short(tracker.name)
            rate = f"{tracker.rate:.1f} Mpx/s" if rated and tracker.rate else ""
            time_left = "" if left is None else f"{_clock(left)} left"
            for number in self.task_ids:
                self.update(number, description=said, completed=tracker.fraction, rate=rate, left=time_left)
            return super().get_renderables()

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
    )
    bar = Bar(*columns, console=output.err, transient=True)
    bar.add_task("", total=1.0, rate="", left="")
    with bar:
        output.live = bar.console
        try:
            yield
        finally:
            output.live = None


def _bytes(item: Item) -> int:
    try:
        return max(1, os.stat(item.source).st_size)
    except OSError:
        return 1


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _short(name: str) -> str:
    """A name that leaves room for the bar: its middle is left out."""
    if len(name) <= LONGEST:
        return name
    half = (LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
