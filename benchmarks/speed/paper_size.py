"""Time of LINF-LP at the size of the papers: EDSR-LINF with 3x3 patches and the U-Net prior, as published checkpoints
have it, with random weights, on one thread.

    python benchmarks/speed/paper_size.py [--side 96] [--scale 4] [--repeats 9] [--precision bf16]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from srcli import runtime
from srcli.methods.linf.official import OfficialLinf
from srcli.methods.registry import build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=96, help="of the low-resolution square, in pixels")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    runtime.reuse_heap()
    runtime.set_threads(1)
    chosen = runtime.choose("cpu", options.precision)
    architectures = (
        {"kind": "linf", "encoder": {"kind": "edsr", "mean_shift": True}, "patch": 3},
        {"kind": "unet-latent", "channels": 27},
    )
    torch.manual_seed(0)
    flow, prior = (build(a).eval().requires_grad_(False).to(memory_format=torch.channels_last) for a in architectures)
    model, lr, high = (
        OfficialLinf(flow, prior),
        torch.rand(1, 3, options.side, options.side),
        options.side * options.scale,
    )
    seconds = []
    with chosen.computing():
        for _ in range(options.repeats + 1):
            start = time.perf_counter()
            model.upscale(lr, high, high)
            seconds.append(time.perf_counter() - start)
    warm = seconds[1:]
    print(f"{options.side}x{options.side} to {high}x{high}, 1 thread, {chosen.precision}, {options.repeats} runs")
    print(f"median {statistics.median(warm):.3f} s, {min(warm):.3f} to {max(warm):.3f} s")


if __name__ == "__main__":
    main()
