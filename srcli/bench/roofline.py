"""How near each stage of a model comes to what the device can do: its operations and bytes against a matrix product
and a copy (the roofline model, Williams et al. 2009)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from srcli import runtime
from srcli.bench.meter import REST, Meter, Tally
from srcli.bench.peaks import Peaks
from srcli.bench.timing import square
from srcli.bench.variants import Model
from srcli.geometry import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class StageUse:
    """A stage of a picture.

    flop: of products and convolutions.
    bytes: that its kernels read and write; what stays in a cache counts, too.
    product_share: its operations a second, of those of the matrix product.
    copy_share: its bytes a second, of those of the copy; above 1 where caches help.
    """

    stage: str
    seconds: float
    flop: int
    bytes: int
    kernels: int
    product_share: float
    copy_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """All stages of one variant on one picture; the last is the rest, what is outside of all stages."""

    variant: str
    scale: float
    output: str
    megapixels: float
    seconds: float
    peaks: Peaks
    stages: list[StageUse]

    def to_dict(self) -> dict:
        return asdict(self)


def measure(
    variants: Sequence[Model], scales: Sequence[float], megapixels: float, repeats: int, peaks: Peaks
) -> Iterator[Roofline]:
    """Yield the roofline of every variant at every scale, on noise: time does not depend on the content."""
    for scale in scales:
        for variant in variants:
            yield _measure(variant, scale, megapixels, repeats, peaks)


def _measure(variant: Model, scale: float, megapixels: float, repeats: int, peaks: Peaks) -> Roofline:
    upscaler, target, picture = variant.upscaler, Target(scale=scale), square(megapixels, scale)[1]
    stages, device = upscaler.model.stages, upscaler.runtime.device
    size = upscaler.run(picture, target, variant.sampling).picture.size  # warms up
    with Meter(lambda: stages.now, device.type) as meter:
        upscaler.run(picture, target, variant.sampling)
    runs: list[tuple[float, dict[str, float]]] = []
    stages.exact = True
    for _ in range(repeats):
        stages.seconds.clear()
        start = time.perf_counter()
        upscaler.run(picture, target, variant.sampling)
        runtime.wait(device)
        runs.append((time.perf_counter() - start, dict(stages.seconds)))
    stages.exact = False
    typical = statistics.median_low(seconds for seconds, _ in runs)
    parts = next(parts for seconds, parts in runs if seconds == typical)
    parts[REST] = max(0.0, typical - sum(parts.values()))
    return Roofline(
        variant=variant.label,
        scale=scale,
        output=str(size),
        megapixels=size.megapixels,
        seconds=typical,
        peaks=peaks,
        stages=[_use(name, seconds, meter.tallies[name], peaks) for name, seconds in parts.items()],
    )


def _use(name: str, seconds: float, tally: Tally, peaks: Peaks) -> StageUse:
    least = max(seconds, 1e-9)
    return StageUse(
        stage=name,
        seconds=seconds,
        flop=tally.flop,
        bytes=tally.bytes,
        kernels=tally.kernels,
        product_share=tally.flop / least / peaks.flop,
        copy_share=tally.bytes / least / peaks.bytes,
    )
