"""What a device can do at most: a large matrix product, and a large copy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from srcli import runtime
from srcli.runtime import PRECISIONS, Runtime

LEAST = 0.05  # seconds that a measured run takes at the least, so that what starts it does not count


@dataclass(frozen=True, slots=True)
class Peaks:
    """flop: operations per second of a matrix product at the runtime's precision. bytes: per second that a copy reads
    and writes."""

    flop: float
    bytes: float


def peaks_of(chosen: Runtime) -> Peaks:
    """Measured within a second or two. On random numbers: on zeros, chips are faster."""
    on_cpu = chosen.device.type == "cpu"
    side, count = (1024, 2**25) if on_cpu else (8192, 2**29)
    a, b = (torch.randn(side, side, device=chosen.device).to(PRECISIONS[chosen.precision]) for _ in range(2))
    product = torch.empty_like(a)
    flop = 2 * side**3 / _seconds(chosen.device, partial(torch.mm, a, b, out=product))
    del a, b, product
    source = torch.randint(0, 256, (count,), dtype=torch.uint8, device=chosen.device)
    target = torch.empty_like(source)
    return Peaks(flop, 2 * count / _seconds(chosen.device, lambda: target.copy_(source)))


def _seconds(device: torch.device, work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds that the work takes: the fastest of several runs, each long enough to be measured."""
    work()
    runtime.wait(device)
    times, best = 1, float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(times):
            work()
        runtime.wait(device)
        spent = time.perf_counter() - start
        best = min(best, spent / times)
        times = max(times, round(LEAST / best))
    return best
