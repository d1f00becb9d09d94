"""Measure speed and memory of models: repeated runs after a warm-up, without decoding and encoding."""

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
from srcli.upscaler import Upscaler

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The speed of one variant on one picture, over several repeats.

    stages: seconds of the median run by stage; `write`, a PNG to memory, is measured apart.
    load_seconds: from weights on disk to a model that is ready.
    gflops: billion floating-point operations per second.
    memory_above_idle: peak bytes, of the process or on the GPU, above the idle models; None if unknown.
    """

    variant: str
    picture: str
    scale: float
    output: str
    megapixels: float
    repeats: int
    seconds_per_megapixel: float
    fastest: float
    slowest: float
    images_per_second: float
    stages: dict[str, float]
    load_seconds: float
    gflops: float
    tiles: int
    memory_above_idle: int | None

    def to_dict(self) -> dict:
        return asdict(self)


def measure(variants: Sequence[Model], scales: Sequence[float], megapixels: float, repeats: int) -> Iterator[Timing]:
    """Yield the timing of every variant at every scale, on noise and on the example photos.

    megapixels: output size for the square of noise.
    """
    loading = {name: _seconds_to_load(u) for name, u in {v.upscaler.entry.name: v.upscaler for v in variants}.items()}
    for scale in scales:
        for name, picture in [square(megapixels, scale), *examples()]:
            for variant in variants:
                yield _measure(variant, name, picture, scale, repeats, loading[variant.upscaler.entry.name])


def _measure(variant: Model, name: str, picture: Picture, scale: float, repeats: int, loading: float) -> Timing:
    """Measure one variant on one picture. A first run warms up and counts operations."""
    upscaler, stages, target = variant.upscaler, variant.upscaler.model.stages, Target(scale=scale)
    with FlopCounterMode(display=False) as operations:
        made = upscaler.run(picture, target, variant.sampling)
    size = made.picture.size
    idle = _start_of_memory(upscaler.runtime.device)
    stages.exact = True
    runs: list[tuple[float, dict[str, float]]] = []
    for _ in range(repeats):
        stages.seconds.clear()
        start = time.perf_counter()
        upscaler.run(picture, target, variant.sampling)
        runs.append((time.perf_counter() - start, dict(stages.seconds)))
    stages.exact = False
    peak, seconds = _peak_of_memory(upscaler.runtime.device), [run[0] for run in runs]
    typical = statistics.median_low(seconds)
    parts = runs[seconds.index(typical)][1]
    rest = max(0.0, typical - sum(parts.values()))
    return Timing(
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
        load_seconds=loading,
        gflops=operations.get_total_flops() / typical / 1e9,
        tiles=made.tiles,
        memory_above_idle=None if peak is None or idle is None else peak - idle,
    )


def square(megapixels: float, scale: float) -> tuple[str, Picture]:
    """A square of random pixels, upscaled to `megapixels`; time does not depend on the content."""
    side = max(1, round(math.sqrt(megapixels * 1e6) / scale))
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return f"noise {side}x{side}", Picture(noise)


def examples() -> list[tuple[str, Picture]]:
    """The example photos of the package."""
    here = Path(__file__).parent.parent
    folder = next(p for p in (here / "examples", here.parent / "examples") if p.is_dir())
    return [(path.name, images.read(path)) for path in folders.pictures(folder)]


def convolution_peak(chosen: runtime.Runtime, repeats: int = 7) -> float:
    """Billion operations per second of a plain 3x3 convolution with 64 channels, the fastest of several runs."""
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, device=chosen.device)
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    x = torch.randn(1, 64, 256, 256, device=chosen.device).contiguous(memory_format=torch.channels_last)
    best = math.inf
    with chosen.computing():
        for _ in range(repeats):
            start = time.perf_counter()
            layer(x)
            runtime.wait(chosen.device)
            best = min(best, time.perf_counter() - start)
    return 2 * 64 * 64 * 9 * 256 * 256 / best / 1e9


def _seconds_to_load(upscaler: Upscaler) -> float:
    """Seconds to load the model, median of three."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        Upscaler(upscaler.entry.name, device=str(upscaler.runtime.device), precision=upscaler.runtime.precision)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _seconds_to_write(picture: Picture) -> float:
    start = time.perf_counter()
    to_pil(picture).save(io.BytesIO(), "PNG")
    return time.perf_counter() - start


def _start_of_memory(device: torch.device) -> int | None:
    """Reset the peak memory and return the bytes in use; None if the system cannot do it."""
    if backend := runtime.gpu(device):
        backend.reset_peak_memory_stats(device)
        return backend.memory_allocated(device)
    runtime.return_heap()
    try:
        CLEAR.write_text("5")
    except OSError:
        return None  # the peak would be that of the whole life of the process
    return _status("VmRSS")


def _peak_of_memory(device: torch.device) -> int | None:
    """Peak bytes in use since `_start_of_memory`."""
    backend = runtime.gpu(device)
    return _status("VmHWM") if backend is None else backend.max_memory_allocated(device)


def _status(entry: str) -> int | None:
    """VmRSS (memory now) or VmHWM (peak) of this process in bytes; None without /proc."""
    with contextlib.suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(entry):
                return int(line.split()[1]) * 1024
    return None
