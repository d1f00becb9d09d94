"""A batch of small pictures: memory over time, and throughput against the network's own time.

The whole command (reading, decoding, computing, encoding, ledger) runs over the pictures in a process of its own. Then
the same network gets the same pictures, decoded, one after the other in this process. Both are timed from the second
picture on.

    python benchmarks/batch.py [--count 500] [--side 96] [--scale 2] [--threads 1] [--rounds 1]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from srcli import images, runtime
from srcli.geometry import Target
from srcli.upscaler import Upscaler

EXAMPLES = Path(__file__).parents[1] / "examples"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """Of the whole command. seconds: from the first record to the last; memory: resident bytes after each record;
    processor: seconds of it in that time."""

    seconds: float
    processor: float
    memory: list[int]


def make(folder: Path, count: int, side: int) -> list[Path]:
    """Crops of the example photographs, each another."""
    sources = [Image.open(p).convert("RGB") for p in sorted(EXAMPLES.iterdir()) if p.suffix in (".png", ".jpg")]
    paths = []
    for number in range(count):
        source = sources[number % len(sources)]
        left, top = number * 37 % (source.width - side), number * 53 % (source.height - side)
        paths.append(folder / f"{number:04}.png")
        source.crop((left, top, left + side, top + side)).save(paths[-1])
    return paths


def command(folder: Path, out: Path, scale: float, threads: int) -> Run:
    """`srcli upscale` over a folder, watched from outside."""
    arguments = ["upscale", str(folder), "-o", str(out), "-s", str(scale), "--threads", str(threads), "--json"]
    process = subprocess.Popen([sys.executable, "-m", "srcli", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    memory, start, before = [], 0.0, 0.0
    for line in process.stdout:
        if "summary" in (record := json.loads(line)):
            break
        assert record["status"] == "done", record
        memory.append(_resident(process.pid))
        end, after = time.perf_counter(), _processor(process.pid)
        if len(memory) == 1:
            start, before = end, after
    process.wait()
    return Run(end - start, after - before, memory)


def network(paths: list[Path], scale: float, threads: int) -> tuple[float, float]:
    """Seconds of the network alone, of the clock and of the processor."""
    upscaler, target = Upscaler(threads=threads), Target(scale=scale)
    pictures = [images.read(path) for path in paths]
    upscaler.run(pictures[0], target)
    start, before = time.perf_counter(), time.process_time()
    for picture in pictures[1:]:
        upscaler.run(picture, target)
    return time.perf_counter() - start, time.process_time() - before


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _processor(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--side", type=int, default=96, help="of a picture, in pixels")
    parser.add_argument("--scale", type=float, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="the two measurements in turn; the best of each counts")
    options = parser.parse_args()
    runtime.reuse_heap()
    facts, load = runtime.facts(runtime.choose()), os.getloadavg()[0]
    print(f"{datetime.date.today()}, {facts['cpu']}, {os.cpu_count()} cores, {facts['precision']}, load {load:.1f}")
    print(f"{options.count} pictures of {options.side} pixels a side, x{options.scale:g}, {options.threads} threads")
    runs, alone = [], []
    with tempfile.TemporaryDirectory() as place:
        paths = make(Path(place), options.count, options.side)
        for number in range(options.rounds):
            runs.append(command(Path(place), Path(place) / f"out{number}", options.scale, options.threads))
            alone.append(network(paths, options.scale, options.threads))
    run, own = min(runs, key=lambda r: r.seconds), min(alone)
    early, late = run.memory[min(49, options.count - 1)] / MIB, run.memory[-1] / MIB
    print(f"whole command: {run.seconds:.1f} s ({run.processor:.1f} s of processor)")
    print(f"network alone: {own[0]:.1f} s ({own[1]:.1f} s of processor)")
    print(f"throughput {100 * own[0] / run.seconds:.1f} % of the network's own")
    print(f"memory after 50: {early:.0f} MiB, at the end: {late:.0f} MiB, most: {max(run.memory) / MIB:.0f} MiB")


if __name__ == "__main__":
    main()
