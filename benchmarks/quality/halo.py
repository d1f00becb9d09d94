"""How far a network of Real-ESRGAN looks: the difference between a tile in the middle of a picture and the whole
picture, by the halo that the tile sees.

    python benchmarks/quality/halo.py RealESRGAN_x4plus.pth photo.png [more.png ...]

Photos are the small pictures themselves, cut to their middle 384 pixels a side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from srcli import Upscaler
from srcli.geometry import Size, Window
from srcli.methods.realesrgan.model import RealESRGANModel

SIDE, TILE = 384, 64


def middle(path: Path) -> torch.Tensor:
    image = Image.open(path).convert("RGB")
    left, top = (max(0, (n - SIDE) // 2) for n in image.size)
    part = np.asarray(image.crop((left, top, min(image.width, left + SIDE), min(image.height, top + SIDE))))
    return torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--halos", default="8,16,32,48,64,96")
    given = parser.parse_args()
    model = Upscaler.from_file(given.weights).model
    assert isinstance(model, RealESRGANModel)
    network = model.network
    print("halo  largest difference  mean difference, both in 8-bit steps")
    worst: dict[int, list[tuple[float, float]]] = {int(h): [] for h in given.halos.split(",")}
    for path in given.photos:
        lr = middle(path)
        low = Size(*(n // network.fold * network.fold for n in lr.shape[-2:]))
        lr = Window.whole(low).cut(lr)
        top, left = ((n - TILE) // 2 // network.fold * network.fold for n in (low.height, low.width))
        tile = Window(top, left, TILE, TILE)
        with torch.inference_mode():
            whole = tile.scaled(network.scale).cut(network(lr))
            for halo, found in worst.items():
                part = tile.within(low, margin=halo, align=network.fold)
                made = tile.scaled(network.scale).cut(network(part.cut(lr)), part.scaled(network.scale))
                gap = (made.clamp(0, 1) - whole.clamp(0, 1)).abs() * 255
                found.append((gap.max().item(), gap.mean().item()))
    for halo, found in worst.items():
        print(f"{halo:4}  {max(a for a, _ in found):18.3f}  {max(b for _, b in found):15.4f}")


if __name__ == "__main__":
    main()
