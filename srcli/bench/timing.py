"""Seconds and memory of models: warm, repeated, from decoded pixels to decoded pixels."""

from __future__ import annotations

import contextlib
import io
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from srcli import images, runtime
from srcli.bench.variants import Model
from srcli.geometry import Target
from srcli.images import folders
from srcli.images.picture import Picture
from srcli.images.write import to_pil

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and range over the repeats of one variant. Memory is None where the system does not tell."""

    variant: str
    picture: str  # what was made larger
    scale: float
    output: str
    megapixels: float
    repeats: int
    seconds_per_megapixel: float
    fastest: float
    slowest: float
    images_per_second: float
    stages: dict[str, float]  # seconds of the median run; `write` is a PNG to memory, apart from the run
    gflops: float  # billion floating-point operations a second of the run
    tiles: int
    memory_above_idle: int | None  # bytes at the highest, of the process or on the GPU, above the models at rest

    def to_dict(self) -> dict:
        return asdict(self)


def measure(
    variants: Sequence[Model], pictures: Sequence[tuple[str, Picture]], scale: float, repeats: int
) -> Iterator[Timing]:
    """Every variant on every picture. The first run only warms up and counts operations; memory is the highest of the
    others."""
    target = Target(scale=scale)
    for name, picture in pictures:
        size = variants[0].upscaler.size_for(picture.size, target)
        for variant in variants:
            upscaler, stages = variant.upscaler, variant.upscaler.model.stages
            with FlopCounterMode(display=False) as operations:
                upscaler.run(picture, target, variant.sampling)
            idle = _start_of_memory(upscaler.runtime.device)
            stages.exact = True
            runs: list[tuple[float, dict[str, float]]] = []
            for _ in range(repeats):
                stages.seconds.clear()
                start = time.perf_counter()
                made = upscaler.run(picture, target, variant.sampling)
                runs.append((time.perf_counter() - start, dict(stages.seconds)))
            stages.exact = False
            peak, seconds = _peak_of_memory(upscaler.runtime.device), [run[0] for run in runs]
            median = statistics.median_low(seconds)
            parts = runs[seconds.index(median)][1]
            rest = max(0.0, median - sum(parts.values()))
            yield Timing(
                variant=variant.label,
                picture=name,
                scale=scale,
                output=str(size),
                megapixels=size.megapixels,
                repeats=repeats,
                seconds_per_megapixel=statistics.median(seconds) / size.megapixels,
                fastest=min(seconds) / size.megapixels,
                slowest=max(seconds) / size.megapixels,
                images_per_second=1 / statistics.median(seconds),
                stages=parts | {"rest": rest, "write": _seconds_to_write(made.picture)},
                gflops=operations.get_total_flops() / median / 1e9,
                tiles=made.tiles,
                memory_above_idle=None if peak is None or idle is None else peak - idle,
            )


def square(megapixels: float, scale: float) -> tuple[str, Picture]:
    """A square of random pixels from which that many megapixels are made: time does not depend on what is shown."""
    side = max(1, round(math.sqrt(megapixels * 1e6) / scale))
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return f"noise {side}x{side}", Picture(noise)


def examples() -> list[tuple[str, Picture]]:
    """The example photos of the package."""
    here = Path(__file__).parent.parent
    folder = next(p for p in (here / "examples", here.parent / "examples") if p.is_dir())
    return [(path.name, images.read(path)) for path in folders.pictures(folder)]


def convolution_peak(chosen: runtime.Runtime, repeats: int = 7) -> float:
    """Billion operations a second of the machine's own 3x3 convolution of 64 channels, the fastest of some."""
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, device=chosen.device)
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    x = torch.randn(1, 64, 256, 256, device=chosen.device).contiguous(memory_format=torch.channels_last)
    best = math.inf
    with chosen.computing():
        for _ in range(repeats):
            start = time.perf_counter()
            layer(x)
            if chosen.device.type == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    return 2 * 64 * 64 * 9 * 256 * 256 / best / 1e9


def _seconds_to_write(picture: Picture) -> float:
    start = time.perf_counter()
    to_pil(picture).save(io.BytesIO(), "PNG")
    return time.perf_counter() - start


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
