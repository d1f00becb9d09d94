"""Workers, one a device, that take pictures from one queue and look after their own health."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srcli.batch.names import Item
from srcli.batch.records import Record, failure
from srcli.errors import SrcliError
from srcli.serve import canary
from srcli.serve.metrics import Metrics
from srcli.service import Limits, Models, Stop, Wanted, enlarge

GRACE = 60.0  # seconds beyond its limit after which a picture's worker counts as stuck


class Full(SrcliError):
    """The queue has no room."""

    reason, retryable = "busy", True


class Unwell(SrcliError):
    """A worker that makes something else of the canary than it should."""

    reason = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A picture to enlarge; the arguments are those of `enlarge`.

    patient: whether its time counts from when a worker takes it, not from its arrival.
    """

    source: Path
    out: Path | None
    wanted: Wanted
    stop: Stop
    overwrite: bool = False
    patient: bool = False
    answer: Future[Record] = field(default_factory=Future)


@dataclass(slots=True)
class Worker:
    """What is known of a worker.

    expected: the canary's hash.
    due: whether it is to look at the canary before its next picture.
    checked: when it last did.
    since, stop: when its picture began, and what ends it; None while it is idle.
    wrong: why it is not well.
    """

    models: Models
    expected: str
    due: bool = False
    checked: float = 0.0
    since: float | None = None
    stop: Stop | None = None
    wrong: str = ""

    @property
    def device(self) -> str:
        return str(self.models.get().runtime.device)

    def check(self) -> None:
        """Look at the canary."""
        try:
            found = canary.sha256(self.models.get())
            self.expected = self.expected or found
            self.wrong = "" if found == self.expected else f"the canary is {found}, not {self.expected}"
        except Exception as error:
            self.wrong = f"the canary failed: {error}"
        self.checked = time.monotonic()

    def told(self, limits: Limits) -> dict[str, Any]:
        """Its health, as JSON."""
        now, wrong = time.monotonic(), self.wrong
        if self.since is not None and limits.seconds is not None and now - self.since > limits.seconds + GRACE:
            wrong = f"stuck for {now - self.since:.0f} seconds"
        facts = {"device": self.device, "state": "idle" if self.since is None else "busy", "canary": self.expected}
        return (
            facts
            | {"checked_seconds_ago": round(now - self.checked, 1), "ok": not wrong}
            | ({"error": wrong} if wrong else {})
        )


class Pool:
    """The workers and their queue; threads may share it.

    models: of each device.
    queue: pictures that may wait.
    expected: the canary's hash; empty: what the first worker of a device makes of it at the start.

    Raises Unwell if a worker's canary is not the one expected.
    """

    def __init__(self, models: Sequence[Models], limits: Limits, *, queue: int, expected: str = "") -> None:
        self.limits, self.most, self.metrics = limits, queue, Metrics()
        self.workers = [Worker(each, expected) for each in models]
        self.jobs: deque[Job] = deque()
        self.changed = threading.Condition()
        self.closed = False
        for worker in self.workers:
            for name in worker.models.names:
                worker.models.get(name)
            worker.check()
            if worker.wrong:
                raise Unwell(f"{worker.device}: {worker.wrong}")
            if worker.device.startswith("cuda"):
                self.metrics.watch_gpu(worker.device)
        self.metrics.watch("queue", "Pictures that wait.", lambda: len(self.jobs))
        self.metrics.watch("workers", "Workers.", lambda: len(self.workers))
        self.metrics.watch("busy_workers", "Workers with a picture.", self._busy)
        self.threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in self.workers]
        for thread in self.threads:
            thread.start()

    def submit(self, job: Job, *, wait: bool = False) -> Future[Record]:
        """Queue a picture; the record comes in all cases. Raises Full, or Unwell if no worker is well.

        wait: until there is room.
        """
        with self.changed:
            if all(worker.wrong for worker in self.workers):
                raise Unwell(f"no worker is well: {self.workers[0].wrong}")
            while wait and len(self.jobs) >= self.most:
                self.changed.wait()
            if len(self.jobs) >= self.most:
                raise Full(f"{self.most} pictures are waiting, the limit here; try again later")
            self.jobs.append(job)
            self.changed.notify_all()
        return job.answer

    def health(self, patience: float = 5.0) -> list[dict[str, Any]]:
        """Of each worker. Idle ones look at the canary first; busy ones did when they were last idle.

        patience: seconds to wait for them.
        """
        with self.changed:
            for worker in self.workers:
                worker.due = worker.due or worker.since is None
            self.changed.notify_all()
            self.changed.wait_for(lambda: not any(w.due and w.since is None for w in self.workers), patience)
            return [worker.told(self.limits) for worker in self.workers]

    def close(self) -> None:
        """End the workers and what they do."""
        with self.changed:
            self.closed = True
            for stop in [job.stop for job in self.jobs] + [worker.stop for worker in self.workers]:
                if stop is not None:
                    stop.asked.set()
            self.changed.notify_all()
        for thread in self.threads:
            thread.join(timeout=GRACE)

    def _busy(self) -> int:
        return sum(worker.since is not None for worker in self.workers)

    def _work(self, worker: Worker) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.closed or worker.due or (self.jobs and not worker.wrong))
                if self.closed and (not self.jobs or worker.wrong):
                    return
                job = None if worker.due else self.jobs.popleft()
                worker.since, worker.stop = (None, None) if job is None else (time.monotonic(), job.stop)
                self.changed.notify_all()
            if job is None:
                worker.check()
            else:
                job.answer.set_result(self._made(job, worker))
            with self.changed:
                worker.since = worker.stop = None
                worker.due = worker.due and job is not None
                self.changed.notify_all()

    def _made(self, job: Job, worker: Worker) -> Record:
        if job.patient:
            job.stop.started = time.monotonic()
        try:
            args = job.source, job.out, job.wanted, worker.models
            record = enlarge(*args, limits=self.limits, stop=job.stop, overwrite=job.overwrite)
        except Exception as error:
            record = failure(Item(job.source, job.source.parent), error, alone=False)
        self.metrics.count(record, time.monotonic() - job.stop.started)
        return record
