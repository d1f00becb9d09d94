"""A batch of small pictures: memory over time, and throughput against the network's own time.

The whole command (reading, decoding, computing, encoding, ledger) runs over the pictures in a process of its own. Then
the same network gets the same pictures, decoded, one after the other in this process. Both are timed from the second
picture on.

    python benchmarks/speed/batch.py [--count 500] [--side 96] [--scale 2] [--threads 1] [--rounds 1]
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

EXAMPLES = Path(__file__).parents[2] / "examples"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment of a process. waited: seconds that its main thread, the one that computes, could not run because others
    had the processors; 0 where the system does not tell."""

    seconds: float
    processor: float
    waited: float

    @classmethod
    def of(cls, process: int) -> Clock:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        processor = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        waiting = Path(f"/proc/{process}/task/{process}/schedstat")
        waited = int(waiting.read_text().split()[1]) / 1e9 if waiting.exists() else 0.0
        return cls(time.perf_counter(), processor, waited)

    def since(self, start: Clock) -> Clock:
        return Clock(self.seconds - start.seconds, self.processor - start.processor, self.waited - start.waited)

    def __str__(self) -> str:
        running = self.seconds - self.waited
        return f"{self.seconds:.1f} s, {running:.1f} s without waiting for others, {self.processor:.1f} s of processor"


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


def command(folder: Path, out: Path, scale: float, threads: int) -> tuple[Clock, list[int]]:
    """`srcli upscale` over a folder, watched from outside: from its first record to its last, and the resident bytes
    after each."""
    arguments = ["upscale", str(folder), "-o", str(out), "-s", str(scale), "--threads", str(threads), "--json"]
    process = subprocess.Popen([sys.executable, "-m", "srcli", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    clocks, memory = [], []
    for line in process.stdout:
        if "summary" in (record := json.loads(line)):
            break
        assert record["status"] == "done", record
        clocks.append(Clock.of(process.pid))
        memory.append(_resident(process.pid))
    process.wait()
    return clocks[-1].since(clocks[0]), memory


def network(paths: list[Path], scale: float, threads: int) -> Clock:
    """The network alone, over all pictures but the first."""
    upscaler, target = Upscaler("linf-lp-s", threads=threads), Target(scale=scale)
    pictures = [images.read(path) for path in paths]
    upscaler.run(pictures[0], target)
    start = Clock.of(os.getpid())
    for picture in pictures[1:]:
        upscaler.run(picture, target)
    return Clock.of(os.getpid()).since(start)


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


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
    (run, memory), own = min(runs, key=lambda r: r[0].seconds), min(alone, key=lambda c: c.seconds)
    print(f"whole command: {run}")
    print(f"network alone: {own}")
    freely = (own.seconds - own.waited) / (run.seconds - run.waited)
    print(f"throughput {own.seconds / run.seconds:.1%} of the network's own, {freely:.1%} without waiting for others")
    early, late, most = (m / MIB for m in (memory[min(49, options.count - 1)], memory[-1], max(memory)))
    print(f"memory after 50: {early:.0f} MiB, at the end: {late:.0f} MiB, most: {most:.0f} MiB")


if __name__ == "__main__":
    main()
