"""Seconds and memory of models: warm, repeated, from decoded pixels to decoded pixels."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from srcli import runtime
from srcli.bench.quality import Variant
from srcli.geometry import Target
from srcli.images.picture import Picture

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and range over the repeats of one variant. Memory is None where the system does not tell."""

    variant: str
    scale: float
    output: str
    megapixels: float
    repeats: int
    seconds_per_megapixel: float
    fastest: float
    slowest: float
    tiles: int
    memory_above_idle: int | None  # bytes at the highest, of the process or on the GPU, above the models at rest

    def to_dict(self) -> dict:
        return asdict(self)


def measure(variants: list[Variant], scales: list[float], megapixels: float, repeats: int) -> Iterator[Timing]:
    """Every variant at every scale to a square output of that many megapixels. The first run only warms up; memory is
    the highest of all runs."""
    side = math.sqrt(megapixels * 1e6)
    for scale in scales:
        picture = noise(max(1, round(side / scale)))
        target = Target(scale=scale)
        size = variants[0].upscaler.size_for(picture.size, target)
        for variant in variants:
            idle = _start_of_memory(variant.upscaler.runtime.device)
            seconds = []
            for _ in range(repeats + 1):
                start = time.perf_counter()
                made = variant.upscaler.run(picture, target, variant.sampling)
                seconds.append((time.perf_counter() - start) / size.megapixels)
            peak, warm = _peak_of_memory(variant.upscaler.runtime.device), seconds[1:]
            memory = None if peak is None or idle is None else peak - idle
            spread = (statistics.median(warm), min(warm), max(warm))
            yield Timing(variant.label, scale, str(size), size.megapixels, repeats, *spread, made.tiles, memory)


def noise(side: int) -> Picture:
    """A square of random pixels: the time does not depend on what a picture shows."""
    return Picture(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))


def _start_of_memory(device: torch.device) -> int | None:
    """Bytes in use at rest, with the highest value forgotten."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    runtime.return_heap()
    with contextlib.suppress(OSError):
        CLEAR.write_text("5")
    return _status("VmRSS")


def _peak_of_memory(device: torch.device) -> int | None:
    """The most bytes in use since `_start_of_memory`."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(entry: str) -> int | None:
    """VmRSS (memory now) or VmHWM (the highest) of this process in bytes; None where there is no /proc."""
    with contextlib.suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(entry):
                return int(line.split()[1]) * 1024
    return None
