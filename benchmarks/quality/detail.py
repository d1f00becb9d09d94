"""What `--detail` of a rectified flow should do, as Markdown: PSNR-Y and LPIPS-Squeeze v0.1 of three dials.

    python benchmarks/quality/detail.py flowsr-s.safetensors --data Set14/ photos/ \\
        --lpips-weights lpips_squeeze_v01.safetensors

trained: the network is told the detail. velocity: the network at detail 0, a regression, blended with that at detail 1.
back-projection: what the full result, made small again, lacks of its input is enlarged and added, the more the less
detail is wanted (Irani and Peleg 1991). Small pictures are made by a degradation preset, the same for a name and scale.
The last column is the mean of LPIPS over the range of PSNR-Y that all dials reach: less is better.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srcli import runtime
from srcli.bench.metrics import Files, choose
from srcli.bench.quality import Photos, RunLog, score, summarise
from srcli.bench.variants import Case, Made
from srcli.degradation.bicubic import reduce
from srcli.errors import SrcliError
from srcli.geometry import Size, Window
from srcli.methods.flowsr.model import FlowsrModel
from srcli.resampling import enlarged
from srcli.tiling.model import Sampling
from srcli.weights import store

METRICS = ["psnr_y", "lpips_squeeze"]
POINTS = 101  # of the curves


def trained(model: FlowsrModel, lr: Tensor, size: Size, detail: float) -> Tensor:
    return _whole(model, lr, size, detail)


def velocity(model: FlowsrModel, lr: Tensor, size: Size, detail: float) -> Tensor:
    """For a single step, blending velocities is blending results."""
    faithful, full = (_whole(model, lr, size, end) for end in (0.0, 1.0))
    return faithful + detail * (full - faithful)


def back_projection(model: FlowsrModel, lr: Tensor, size: Size, detail: float) -> Tensor:
    full = _whole(model, lr, size, 1.0)
    small = np.stack([reduce(plane, size.height // lr.shape[2]) for plane in full[0].double().numpy()])
    lost = lr - torch.from_numpy(small)[None].float()
    return full + (1 - detail) * enlarged(lost, Window.whole(size), size)


DIALS: dict[str, Callable[[FlowsrModel, Tensor, Size, float], Tensor]] = {
    "trained": trained,
    "velocity": velocity,
    "back-projection": back_projection,
}


def _whole(model: FlowsrModel, lr: Tensor, size: Size, detail: float) -> Tensor:
    return model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(detail=detail)).picture.float()


@dataclass(frozen=True, slots=True)
class Dial:
    """A way to turn detail down, at one place."""

    name: str
    detail: float
    model: FlowsrModel
    runtime: runtime.Runtime

    @property
    def label(self) -> str:
        return f"{self.name} {self.detail:g}"

    def make(self, case: Case) -> list[Made]:
        lr = torch.from_numpy(case.low.copy()).permute(2, 0, 1)[None] / 255
        with self.runtime.computing():
            made = DIALS[self.name](self.model, lr, Size(*case.reference.shape[:2]), self.detail)
        return [Made((made[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())]

    def fingerprint(self) -> dict[str, Any]:
        return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--lpips-weights", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=20, help="photos of each folder at most, evenly from its list")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--preset", default="moderate")
    parser.add_argument("--details", type=float, nargs="+", default=[0, 0.25, 0.5, 0.75, 1])
    options = parser.parse_args()
    chosen = runtime.choose("cpu")
    model = FlowsrModel(store.load_network(options.weights))  # type: ignore[arg-type]
    metrics, details = choose(METRICS, Files(lpips_squeeze=(options.lpips_weights,))), sorted(options.details)
    variants = [Dial(name, d, model, chosen) for name in DIALS for d in details]

    def progress(done: int, total: int) -> None:
        print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr)

    print(f"{datetime.date.today()}, {options.weights.name}, {options.preset} x{options.scale}, {chosen.precision}\n")
    for folder in options.data:
        photos, course = Photos(folder, degradation=options.preset), RunLog()
        places = np.linspace(0, len(photos) - 1, min(len(photos), options.photos)).round().astype(int)
        photos.files = [photos.files[i] for i in places]
        scores = list(score(variants, photos, [options.scale], metrics, course, progress=progress))
        if course.problems:
            raise SrcliError("; ".join(course.problems))
        summary = summarise(scores, metrics, [v.label for v in variants], [options.scale], course)
        _print(f"{folder.name}, {len(photos)} photos", details, {row.variant: row.values for row in summary})


def _print(title: str, details: list[float], rows: dict[str, dict[str, float | None]]) -> None:
    curves = {name: [[rows[f"{name} {d:g}"][m] for d in details] for m in METRICS] for name in DIALS}
    low = max(min(psnr) for psnr, _ in curves.values())
    high = min(max(psnr) for psnr, _ in curves.values())
    print(f"| {title} | {' | '.join(f'{d:g}' for d in details)} | LPIPS from {low:.2f} to {high:.2f} dB |")
    print("|---" * (len(details) + 2) + "|")
    for name, (psnr, lpips) in curves.items():
        cells = [f"{p:.2f} / {v:.4f}" for p, v in zip(psnr, lpips, strict=True)]
        mean = f"{mean_under(psnr, lpips, low, high):.4f}" if low < high else "no common range"
        print(f"| {name} | {' | '.join(cells)} | {mean} |")
    print(flush=True)


def mean_under(psnr: list[float], lpips: list[float], low: float, high: float) -> float:
    """Mean LPIPS over a range of PSNR, linear between the places of a dial."""
    order = np.argsort(psnr)
    at = np.linspace(low, high, POINTS)
    return float(np.interp(at, np.array(psnr)[order], np.array(lpips)[order]).mean())


if __name__ == "__main__":
    main()
