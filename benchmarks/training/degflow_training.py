"""Super-resolution trained on generated pictures of all scales against training at a few scales alone, as Markdown.

    for arm in "levels --levels 2,4" degflow "degflow --grain 2" "levels --levels 1.1-4"; do
        srcli train flowsr-base --recipe benchmarks/training/degflow_training.toml --data photos/ --hold-out 20 \\
            --degradation $arm --out ...
    done
    python benchmarks/training/degflow_training.py --data photos/ --names runs/generated/held_out.txt \\
        --lpips-weights lpips_squeeze_v01.safetensors \\
        generated=generated.safetensors discrete=discrete.safetensors camera=camera.safetensors

The arms start from the same random weights and differ in their low-resolution pictures alone: of the camera at the
scales 2 and 4, generated, and of the camera at all scales, as a perfect generator would make them. Held-back photos are
degraded by the camera of their name (srcli.degradation.levels) at each scale, made smaller by as much, and enlarged to
their own size by each model (exported flows of LINF, or velocity networks). PSNR-Y with a border of 4 pixels;
LPIPS-Squeeze v0.1.
Wins: photos on which the first model has the better PSNR / LPIPS.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np
import torch
from degflow import middle, named, tensor, wins

from srcli import runtime
from srcli.degradation.bicubic import downscale
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.linf.network import LINF
from srcli.methods.registry import assemble
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import psnr
from srcli.tiling.model import Model, Sampling
from srcli.training.data.photos import to_tensor
from srcli.training.monitor.validation import camera_of, to_bytes, whole
from srcli.weights import store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--names", type=Path, help="a file with the names of the photos, e.g. held_out.txt of a run")
    parser.add_argument("--lpips-weights", type=Path, required=True)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.5, 2, 2.5, 3, 3.5, 4])
    parser.add_argument("--side", type=int, default=512, help="pixels of the middle of a photo that is scored")
    options = parser.parse_args()
    runtime.reuse_heap()
    models = {name: loaded(Path(file)) for name, _, file in (m.partition("=") for m in options.models)}
    judge = LPIPS.load(options.lpips_weights)
    photos = {name: middle(photo, options.side) for name, photo in named(options.data, options.names).items()}
    print(f"{datetime.date.today()}, {len(photos)} photos, PSNR-Y in dB / LPIPS\n")
    first, *others = models
    head = [*models, *(f"wins of {first} over {other}" for other in others)]
    print("| scale | " + " | ".join(head) + " |\n" + "|---" * (len(head) + 1) + "|")
    for scale in options.scales:
        pairs = [(photo, lower(name, photo, scale)) for name, photo in photos.items()]
        scores = {name: score(model, pairs, judge) for name, model in models.items()}
        cells = [f"{np.mean(quality):.2f} / {np.mean(distance):.4f}" for quality, distance in scores.values()]
        for other in others:
            (ours, near), (theirs, far) = scores[first], scores[other]
            cells.append(f"{wins(ours, theirs)} / {wins(far, near)}")
        print(f"| {scale:g} | " + " | ".join(cells) + " |", flush=True)


def loaded(path: Path) -> Model:
    network = store.load_network(path)
    if isinstance(network, VelocityNet):
        return assemble("flowsr", {"velocity": network})
    if isinstance(network, LINF):
        return assemble("linf", {"flow": network})
    raise SrcliError(f"{path} is neither a velocity network nor a flow of LINF")


def lower(name: str, photo: np.ndarray, scale: float) -> np.ndarray:
    """The photo as its camera shows it at a scale, of that size."""
    camera = camera_of(name)
    return downscale(camera(photo, scale), *(round(n / scale) for n in photo.shape[:2]))


def score(model: Model, pairs: list[tuple[np.ndarray, np.ndarray]], judge: LPIPS) -> tuple[list[float], list[float]]:
    """PSNR-Y and LPIPS of each pair of a photo and its low-resolution version."""
    quality, distance = [], []
    for photo, low in pairs:
        size = Size(*photo.shape[:2])
        made = to_bytes(whole(model, to_tensor(low)[None], size, Sampling(temperature=0.0)))
        quality.append(psnr(made, photo, border=4))
        with torch.inference_mode():
            distance.append(judge(tensor(made), tensor(photo)).item())
    return quality, distance


if __name__ == "__main__":
    main()
