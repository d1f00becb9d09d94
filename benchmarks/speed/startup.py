"""Time of `srcli --help` against `import torch` on the same machine, in pairs. The goal is a ratio below 0.3.

    python benchmarks/speed/startup.py [--pairs 10]

Prints the medians and the median ratio of the pairs; exits with 1 if the ratio misses the goal.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

GOAL = 0.3
HELP = [sys.executable, "-m", "srcli", "--help"]
TORCH = [sys.executable, "-c", "import torch"]


def seconds(command: list[str]) -> float:
    """Wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    count = parser.parse_args().pairs
    for command in (HELP, TORCH):  # once before, so that every file is in the page cache
        seconds(command)
    pairs = [(seconds(HELP), seconds(TORCH)) for _ in range(count)]
    ratio = statistics.median(ours / torch for ours, torch in pairs)
    ours, torch = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"srcli --help {ours:.3f} s, import torch {torch:.3f} s, ratio {ratio:.2f} (goal: below {GOAL})")
    return int(ratio >= GOAL)


if __name__ == "__main__":
    sys.exit(main())
