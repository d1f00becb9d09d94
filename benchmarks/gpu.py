"""Time of whole pictures on a GPU, and what limits it: every embedded model that people choose, at 4K and 8K.

    python benchmarks/gpu.py                      # on a GPU, under 100 s
    python benchmarks/gpu.py --device cpu --outputs 320x180 --repeats 1
    python benchmarks/gpu.py --pretend            # without one: what a GPU would be asked for, computed on the CPU

Arrays in, arrays out. `seconds`: the median of the repeats after a first picture, whose time is beside it. GFLOP: of
products and convolutions. `share`: of the rate of a large matrix product, measured here. `kernels`, `up`, `down`: what
the device was asked to launch, and what crossed the bus, of one picture; `waits`: how often the CPU stood still for the
device. With --pretend no time is told.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pretend import pretended

from srcli import Upscaler, __version__, runtime
from srcli.bench.meter import Meter, Tally
from srcli.bench.peaks import Peaks, peaks_of

PHOTO = Path(__file__).parents[1] / "examples" / "coffee.jpg"
# Model, detail; None: it has none.
CASES = (("linf-lp-s", 1.0), ("linf-lp-s", 0.0), ("flowsr-s", 1.0), ("flowmap-s", 1.0), ("bicubic", None))
OUTPUTS = "3840x2160x2,3840x2160x4,7680x4320x4"
HEAD = "| model | detail | out | from | seconds | first | GFLOP | share | kernels | up | down | waits |"


@dataclass(frozen=True, slots=True)
class Case:
    model: str
    detail: float | None
    width: int
    height: int
    scale: int

    def picture(self) -> np.ndarray:
        """A photo of the size that is enlarged to the output, repeated by mirrors rather than blurred by a resize."""
        with Image.open(PHOTO) as photo:
            pixels = np.asarray(photo.convert("RGB"))
        height, width = self.height // self.scale, self.width // self.scale
        missing = max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1])
        whole = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
        return np.ascontiguousarray(whole[:height, :width])

    def run(self, upscaler: Upscaler, picture: np.ndarray) -> None:
        dials = {} if self.detail is None else {"detail": self.detail}
        made = upscaler.upscale(picture, scale=self.scale, **dials)
        assert made.shape == (picture.shape[0] * self.scale, picture.shape[1] * self.scale, 3)


def cases(outputs: str, models: list[str] | None) -> Iterator[Case]:
    for text in outputs.split(","):
        width, height, scale = (int(n) for n in f"{text}x4".split("x")[:3])
        for model, detail in CASES:
            if models is None or model in models:
                yield Case(model, detail, width, height, scale)


def counted(case: Case, upscaler: Upscaler, device: str) -> tuple[Tally, str]:
    """What one picture asks for; on the pretended device also what crosses the bus."""
    if device != "pretend":
        with Meter(device=upscaler.runtime.device.type) as meter:
            case.run(upscaler, case.picture())
        return meter.total, "| | | |"
    with pretended() as there:
        upscaler = Upscaler(case.model, device="cuda:0", precision=upscaler.runtime.precision)
        there.clear()
        case.run(upscaler, case.picture())
    bus = there.bus
    return there.total, f"| {bus.up / 1e6:.1f} MB | {bus.down / 1e6:.1f} MB | {bus.waits} |"


def row(case: Case, upscaler: Upscaler, repeats: int, device: str, peaks: Peaks | None) -> str:
    seconds, picture = [], case.picture()
    for _ in range(0 if device == "pretend" else 1 + repeats):
        start = time.perf_counter()
        case.run(upscaler, picture)
        seconds.append(time.perf_counter() - start)
    tally, bus = counted(case, upscaler, device)
    times = "| | | "
    if seconds and peaks is not None:
        typical = statistics.median(seconds[1:])
        times = f"| {typical:.3f} | {seconds[0]:.2f} | "
        share = f"{tally.flop / typical / peaks.flop:.1%}"
    else:
        share = ""
    detail = "" if case.detail is None else f"{case.detail:g}"
    return (
        f"| {case.model} | {detail} | {case.width}x{case.height} | x{case.scale} {times}"
        f"{tally.flop / 1e9:.0f} | {share} | {tally.kernels} {bus}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--pretend", action="store_true", help="count on a device that is none")
    parser.add_argument("--outputs", default=OUTPUTS, help="WIDTHxHEIGHT or WIDTHxHEIGHTxSCALE, with commas between")
    parser.add_argument("--models", help="names, with commas between")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    runtime.reuse_heap()
    device = "cpu" if given.pretend else given.device
    chosen = runtime.choose(device, given.precision)
    facts = runtime.facts(chosen)
    where = "a pretended GPU" if given.pretend else facts["device"]
    print(f"{datetime.date.today()}, srcli {__version__}, torch {facts['torch']}, {where}, {chosen.precision}")
    peaks = None if given.pretend else peaks_of(chosen)
    if peaks is not None:
        print(f"matrix product {peaks.flop / 1e12:.2f} TFLOP/s, copy {peaks.bytes / 1e9:.0f} GB/s")
    print(f"\n{HEAD}\n{'|---' * 12}|", flush=True)
    models = None if given.models is None else given.models.split(",")
    for case in cases(given.outputs, models):
        upscaler = Upscaler(case.model, device=device, precision=given.precision)
        print(row(case, upscaler, given.repeats, "pretend" if given.pretend else device, peaks), flush=True)
        del upscaler
        gc.collect()


if __name__ == "__main__":
    main()
