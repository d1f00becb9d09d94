"""Memory above idle of large results that go to a file.

    python benchmarks/memory.py [--megapixels 12 37.5] [--format png] [--detail 1]

Every case runs in a process of its own, which first makes a small picture; what it has then is idle.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from srcli import Upscaler, runtime
from srcli.batch import Job, Options, plan, run
from srcli.geometry import Target
from srcli.images.picture import Picture
from srcli.pipelines.base import Sampling

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


def one(megapixels: float, suffix: str, detail: float) -> None:
    """Runs in the process that is measured."""
    runtime.reuse_heap()
    with tempfile.TemporaryDirectory() as folder:
        photo(Path(folder) / "large.jpg", megapixels)
        upscaler, target, sampling = Upscaler(), Target(scale=4), Sampling(detail=detail)
        upscaler.run(Picture(np.zeros((64, 64, 3), np.uint8)), target, sampling)
        runtime.return_heap()
        idle = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the highest value starts anew
        job = Job(upscaler, target, sampling, options=Options(suffix))
        start = time.perf_counter()
        (record,) = run(plan([Path(folder) / "large.jpg"], None, suffix=suffix).items, job)
        seconds, peak = time.perf_counter() - start, status("VmHWM")
        if record.status != "done":
            raise SystemExit(record.error)
        made = record.width * record.height / 1e6
        size = Path(record.output).stat().st_size / 2**20
        print(
            f"| {megapixels:g} | {made:.0f} | {suffix[1:]} | {detail:g} | {(peak - idle) / 2**20:.0f} MiB "
            f"| {seconds:.0f} s | {size:.0f} MiB |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12.0, 37.5])
    parser.add_argument("--format", nargs="+", default=["png"])
    parser.add_argument("--detail", type=float, default=1.0)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        one(given.megapixels[0], "." + given.format[0], given.detail)
        return
    chosen = runtime.choose()
    cpu = runtime.facts(chosen)["cpu"]
    print(f"{datetime.date.today()}, {cpu}, {chosen.precision}\n")
    print("| megapixels in | out (x4) | format | detail | memory above idle | time | file |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for megapixels in given.megapixels:
        for suffix in given.format:
            options = ["--here", "--megapixels", str(megapixels), "--format", suffix, "--detail", str(given.detail)]
            subprocess.run([sys.executable, __file__, *options], check=True)


if __name__ == "__main__":
    main()
