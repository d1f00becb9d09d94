"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from srcli import __version__
from srcli.batch.records import Record

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
REPAIRS = {
    "exploded": "Patches where a flow's inverse exploded and was bounded or redone.",
    "guarded_tiles": "Tiles that did not match their input and were redone with less detail.",
    "redone_tiles": "Tiles that were not finite and were redone in float32.",
}


class Metrics:
    """Counts of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        Gauge("srcli_info", "The version of srcli.", ["version"], registry=registry).labels(__version__).set(1)
        self.pictures = Counter(
            "srcli_pictures", "Pictures by outcome.", ["status", "reason", "model"], registry=registry
        )
        self.seconds = Histogram(
            "srcli_request_seconds", "From a request's arrival to its result.", buckets=SECONDS, registry=registry
        )
        self.computing = Histogram(
            "srcli_compute_seconds", "Computing of finished pictures.", buckets=SECONDS, registry=registry
        )
        self.pixels = Counter("srcli_pixels", "Pixels of finished pictures.", ["side"], registry=registry)
        self.repairs = {name: Counter(f"srcli_{name}", text, registry=registry) for name, text in REPAIRS.items()}
        self.memory = Gauge("srcli_memory_bytes", "Memory in use: resident, or of a GPU.", ["of"], registry=registry)
        self.memory.labels("resident").set_function(lambda: float(psutil.Process().memory_info().rss))

    def count(self, record: Record, seconds: float) -> None:
        """A request is answered.

        seconds: since its arrival.
        """
        self.pictures.labels(record.status, record.reason or "", record.model or "").inc()
        self.seconds.observe(seconds)
        if record.status != "done":
            return
        self.computing.observe(record.seconds or 0.0)
        self.pixels.labels("result").inc((record.width or 0) * (record.height or 0))
        if record.facts is not None and record.facts.input_size is not None:
            self.pixels.labels("input").inc(record.facts.input_size[0] * record.facts.input_size[1])
        for name, counter in self.repairs.items():
            counter.inc(getattr(record, name) or 0)

    def refuse(self, reason: str) -> None:
        """A request is refused before a worker sees it."""
        self.pictures.labels("refused", reason, "").inc()

    def watch(self, name: str, text: str, value: Callable[[], float], **labels: str) -> None:
        """A number that is asked for whenever it is told."""
        gauge = Gauge(f"srcli_{name}", text, list(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(value)

    def watch_gpu(self, device: str) -> None:
        """Memory that torch has taken of a GPU."""
        import torch

        self.memory.labels(device).set_function(lambda: float(torch.cuda.memory_reserved(device)))

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)
