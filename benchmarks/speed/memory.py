"""Memory above idle of large results that go to a file.

    python benchmarks/speed/memory.py [--megapixels 12 37.5] [--format png] [--model NAME] [--detail 1]
    python benchmarks/speed/memory.py --degrade --megapixels 12 [--scales 2.4] [--model NAME] \\
        [--autoencoder FILE --flow FILE]

Every case runs in a process of its own, which first makes a small picture; what it has then is idle.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from srcli import Upscaler, runtime
from srcli.batch import Record, RunOptions, UpscaleBatch, degrade, plan, run
from srcli.batch.modes import LearnedMode
from srcli.degrader import Degrader, Parts, find
from srcli.geometry import Target
from srcli.images.picture import Picture
from srcli.tiling.model import Sampling

SIDES = 4 / 3


def status(name: str) -> int:
    """Bytes of a line in /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise OSError(name)


def photo(path: Path, megapixels: float) -> None:
    """A smooth picture with noise, written as JPEG."""
    height = round((megapixels * 1e6 / SIDES) ** 0.5)
    width = round(height * SIDES)
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    small.resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)


@contextmanager
def measured() -> Iterator[list[float]]:
    """MiB above what the process has now and seconds, once what is inside is over."""
    runtime.return_heap()
    idle, found = status("VmRSS"), []
    Path("/proc/self/clear_refs").write_text("5")  # the highest value starts anew
    start = time.perf_counter()
    yield found
    found += [(status("VmHWM") - idle) / 2**20, time.perf_counter() - start]


def done(records: Iterable[Record]) -> list[Record]:
    """Records of results that are there."""
    records = list(records)
    if failed := [record for record in records if record.status != "done"]:
        raise SystemExit(failed[0].error)
    return records


def one(megapixels: float, suffix: str, model: str | None, detail: float, folder: Path) -> None:
    """Runs in the process that is measured."""
    upscaler, target, sampling = Upscaler(model or "linf-lp-s"), Target(scale=4), Sampling(detail=detail)
    upscaler.run(Picture(np.zeros((64, 64, 3), np.uint8)), target, sampling)
    job = UpscaleBatch(upscaler=upscaler, target=target, sampling=sampling, options=RunOptions(suffix=suffix))
    items = plan([folder / "large.jpg"], None, suffix=suffix).items
    with measured() as found:
        (record,) = done(run(items, job))
    made = record.width * record.height / 1e6
    size = Path(record.output).stat().st_size / 2**20
    print(
        f"| {megapixels:g} | {made:.0f} | {suffix[1:]} | {detail:g} | {found[0]:.0f} MiB "
        f"| {found[1]:.0f} s | {size:.0f} MiB |",
        flush=True,
    )


def degraded(megapixels: float, scales: list[float], parts: Parts, folder: Path) -> None:
    """Runs in the process that is measured."""
    ready = Degrader(parts)
    list(ready.degrade(Picture(np.zeros((64, 64, 3), np.uint8)), scales))
    mode = LearnedMode(ready, {f"x{s:g}": s for s in scales})
    items = plan([folder / "large.jpg"], None, suffix=".png").items
    with measured() as found:
        done(degrade.run(items, degrade.DegradeBatch(mode)))
    print(f"| {megapixels:g} | {len(scales)} | {found[0]:.0f} MiB | {found[1]:.0f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12.0, 37.5])
    parser.add_argument("--format", nargs="+", default=["png"])
    parser.add_argument("--model", help="linf-lp-s if left out")
    parser.add_argument("--detail", type=float, default=1.0)
    parser.add_argument("--degrade", action="store_true", help="srcli degrade --model instead of upscale")
    parser.add_argument("--scales", type=float, nargs="+", default=[2.4])
    parser.add_argument("--autoencoder", type=Path)
    parser.add_argument("--flow", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        measure(given)
        return
    chosen = runtime.choose()
    cpu = runtime.facts(chosen)["cpu"]
    print(f"{datetime.date.today()}, {cpu}, {chosen.precision}\n")
    if given.degrade:
        print("| megapixels | scales | memory above idle | time |\n|---|---|---|---|", flush=True)
    else:
        print("| megapixels in | out (x4) | format | detail | memory above idle | time | file |")
        print("|---|---|---|---|---|---|---|", flush=True)
    for megapixels in given.megapixels:
        for suffix in given.format:
            # The last of an option counts.
            options = ["--here", "--megapixels", str(megapixels), "--format", suffix]
            subprocess.run([sys.executable, __file__, *sys.argv[1:], *options], check=True)


def measure(given: argparse.Namespace) -> None:
    runtime.reuse_heap()
    megapixels = given.megapixels[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo(folder / "large.jpg", megapixels)
        if not given.degrade:
            one(megapixels, "." + given.format[0], given.model, given.detail, folder)
            return
        degraded(megapixels, given.scales, find(given.model, given.autoencoder, given.flow), folder)


if __name__ == "__main__":
    main()
