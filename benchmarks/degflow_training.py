"""Super-resolution trained on generated pictures of all scales against training at a few scales alone, as Markdown.

    python benchmarks/degflow_training.py --data photos/ --lpips-weights lpips_squeeze_v01.safetensors \\
        continuous=generated.safetensors discrete=plain.safetensors

Held-back photos are degraded by the camera of their name (srcli.degradation.levels) at each scale, made smaller by as
much, and enlarged to their own size by each model (exported flows of LINF, or velocity networks). PSNR-Y with a border
of 4 pixels; LPIPS-Squeeze v0.1.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np
import torch
from degflow import middle, tensor

from srcli import runtime
from srcli.degradation import synthetic
from srcli.degradation.bicubic import downscale
from srcli.degradation.levels import draw_camera
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import psnr
from srcli.networks.linf import LINF
from srcli.networks.velocity import VelocityNet
from srcli.pipelines.base import Model, Sampling
from srcli.pipelines.registry import assemble
from srcli.training.data import to_tensor
from srcli.training.validation import photos_of, to_bytes, whole
from srcli.weights import store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lpips-weights", type=Path, required=True)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.5, 2, 2.5, 3, 3.5, 4])
    parser.add_argument("--side", type=int, default=512, help="pixels of the middle of a photo that is scored")
    options = parser.parse_args()
    runtime.reuse_heap()
    models = {name: loaded(Path(file)) for name, _, file in (m.partition("=") for m in options.models)}
    judge = LPIPS.load(options.lpips_weights)
    photos = {name: middle(photo, options.side) for name, photo in photos_of(options.data).items()}
    print(f"{datetime.date.today()}, {len(photos)} photos, PSNR-Y in dB / LPIPS\n")
    print("| scale | " + " | ".join(models) + " |\n" + "|---" * (len(models) + 1) + "|")
    for scale in options.scales:
        pairs = [(photo, lower(name, photo, scale)) for name, photo in photos.items()]
        cells = [" / ".join(score(model, pairs, judge)) for model in models.values()]
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
    camera = draw_camera(np.random.default_rng(synthetic.seed_of(name, 1)))
    return downscale(camera(photo, scale), *(round(n / scale) for n in photo.shape[:2]))


def score(model: Model, pairs: list[tuple[np.ndarray, np.ndarray]], judge: LPIPS) -> tuple[str, str]:
    """Means of PSNR-Y and LPIPS over pairs of a photo and its low-resolution version."""
    quality, distance = [], []
    for photo, low in pairs:
        size = Size(*photo.shape[:2])
        made = to_bytes(whole(model, to_tensor(low)[None], size, Sampling(temperature=0.0)))
        quality.append(psnr(made, photo, border=4))
        with torch.inference_mode():
            distance.append(judge(tensor(made), tensor(photo)).item())
    return f"{np.mean(quality):.2f}", f"{np.mean(distance):.4f}"


if __name__ == "__main__":
    main()
