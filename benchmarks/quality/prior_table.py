"""The learned prior against the same flow sampled at every temperature, as Markdown: LPIPS-Squeeze v0.1 and PSNR-Y.

    python benchmarks/quality/prior_table.py --data Set5/ Set14/ --lpips-weights lpips_squeeze_v01.safetensors

Low-resolution pictures are made by Pillow's bicubic on 8 bits; PSNR-Y cuts a border of the scale. `holds` says for each
row whether the prior is better in LPIPS than the flow at every temperature, and better in PSNR than at its best one.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from srcli import runtime
from srcli.bench.metrics import Files, choose
from srcli.bench.quality import Photos, RunLog, score, summarise
from srcli.bench.variants import Model
from srcli.errors import SrcliError
from srcli.tiling.model import Sampling
from srcli.upscaler import Upscaler

Values = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--lpips-weights", type=Path, required=True)
    parser.add_argument("--prior", default="linf-lp-s")
    parser.add_argument("--flow", default="linf-s")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4, 6, 8])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0])
    options = parser.parse_args()
    runtime.reuse_heap()
    prior, flow = Upscaler(options.prior), Upscaler(options.flow)
    learned = Model(prior, Sampling(detail=1))
    sampled = [Model(flow, Sampling(temperature=t)) for t in options.temperatures]
    metrics = choose(["psnr_y", "lpips_squeeze", "grid"], Files(lpips_squeeze=(options.lpips_weights,)))

    def progress(done: int, total: int) -> None:
        print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr)

    print(f"{datetime.date.today()}, {prior.runtime.device} in {prior.runtime.precision}, {prior.threads} threads\n")
    columns = ("prior", *(f"τ {t:g}" for t in options.temperatures))
    for folder in options.data:
        variants = [learned, *sampled]
        course, labels = RunLog(), [v.label for v in variants]
        scores = list(score(variants, Photos(folder), options.scales, metrics, course, progress=progress))
        if course.problems:
            raise SrcliError("; ".join(course.problems))
        summary = summarise(scores, metrics, labels, options.scales, course)
        rows = {(row.scale, row.variant): row.values for row in summary}
        print(f"| {folder.name} | {' | '.join(columns)} | grid of the prior: median, worst | holds |")
        print("|---" * (len(columns) + 3) + "|")
        for scale in options.scales:
            first, *others = (rows[scale, v.label] for v in (learned, *sampled))
            cells = [f"{r['lpips_squeeze']:.4f} / {r['psnr_y']:.2f}" for r in (first, *others)]
            grid = ", ".join("none" if g is None else f"{g:.2f}" for g in (first["grid_median"], first["grid_worst"]))
            print(f"| ×{scale} | {' | '.join(cells)} | {grid} | {holds(first, others)} |")
        print(flush=True)


def holds(prior: Values, flow: list[Values]) -> str:
    """Whether the claim of the paper holds, and where it does not."""
    best = min(flow, key=lambda r: r["lpips_squeeze"])
    missing = []
    if prior["lpips_squeeze"] >= best["lpips_squeeze"]:
        missing.append("LPIPS")
    if prior["psnr_y"] <= best["psnr_y"]:
        missing.append("PSNR")
    return "yes" if not missing else "not in " + " and ".join(missing)


if __name__ == "__main__":
    main()
