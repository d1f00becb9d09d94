"""A picture by `srcli serve` against a fresh `srcli upscale`, in pairs; both must make the same file.

    python benchmarks/speed/serving.py [FILE] [--scale 2] [--pairs 10]

Prints the medians and how long the server takes to start.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

CAT = Path(__file__).parents[2] / "examples" / "cat.png"
SRCLI = [sys.executable, "-m", "srcli"]


def by_process(file: Path, scale: float, out: Path) -> tuple[float, bytes]:
    """Seconds of a command, and what it makes."""
    start = time.perf_counter()
    subprocess.run([*SRCLI, "upscale", str(file), "-s", str(scale), "-o", str(out), "-y", "-q"], check=True)
    return time.perf_counter() - start, out.read_bytes()


def by_request(file: Path, scale: float, address: str) -> tuple[float, bytes]:
    """Seconds of a request, and its answer."""
    start = time.perf_counter()
    answer = requests.post(
        f"{address}/upscale", file.read_bytes(), params={"scale": scale, "name": file.name}, timeout=600
    )
    answer.raise_for_status()
    return time.perf_counter() - start, answer.content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=CAT)
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--pairs", type=int, default=10)
    asked = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    server = subprocess.Popen([*SRCLI, "serve", "--port", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        ready = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / f"result{asked.file.suffix}"
            pairs = []
            for number in range(asked.pairs + 1):
                (fresh, theirs), (served, ours) = (
                    by_process(asked.file, asked.scale, out), by_request(asked.file, asked.scale, address)
                )  # fmt: skip
                assert ours == theirs, "the two results differ"
                if number:  # the first pair warms the page cache
                    pairs.append((fresh, served))
    finally:
        server.terminate()
        server.wait()
    fresh, served = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"srcli upscale {fresh:.2f} s, a request {served:.2f} s ({len(pairs)} pairs)")
    print(f"the server starts in {ready:.1f} s")


if __name__ == "__main__":
    main()
