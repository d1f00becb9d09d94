"""Whether results are byte for byte those of another version: hashes of what every embedded model makes.

    python benchmarks/quality/same.py PHOTOS --out before.json        # with one version
    python benchmarks/quality/same.py PHOTOS --against before.json    # with the other, on the same machine

Each photo is made smaller by 8-bit bicubic first, so that results have about its size. Exits with 1 where one differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from srcli import Upscaler
from srcli.degradation.bicubic import downscale
from srcli.degrader import Degrader, find
from srcli.images.read import from_pil
from srcli.weights import manifest


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


def results(photos: dict[str, np.ndarray], scales: list[float]) -> dict[str, str]:
    """Hashes by model, photo and scale."""
    found = {}
    for entry in manifest.load().entries.values():
        if not entry.embedded:
            continue
        if not entry.enlarges:
            degrader = Degrader(find(entry.name))
            for name, photo in photos.items():
                picture = from_pil(Image.fromarray(photo))
                for scale, made in zip((2, 4), degrader.degrade(picture, (2.0, 4.0)), strict=True):
                    found[f"{entry.name} {name} x{scale}"] = digest(made.colour)
            continue
        upscaler = Upscaler(entry.name)
        for scale in scales:
            if scale > entry.scales[1]:
                continue
            for name, photo in photos.items():
                height, width = (int(n / scale) for n in photo.shape[:2])
                small = downscale(photo, height, width)
                found[f"{entry.name} {name} x{scale:g}"] = digest(np.asarray(upscaler.upscale(small, scale=scale)))
        print(entry.name, file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--scales", default="2,3.5,4")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(p for p in given.photos.iterdir() if p.suffix.lower() in (".png", ".jpg"))
    photos = {p.stem: np.asarray(Image.open(p).convert("RGB")) for p in files}
    found = results(photos, [float(s) for s in given.scales.split(",")])
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(found)} results")
    if given.against:
        before = json.loads(given.against.read_text())
        other = sorted(k for k in before.keys() | found.keys() if before.get(k) != found.get(k))
        print(f"{len(before)} before; different: {len(other)}", *other, sep="\n  ")
        sys.exit(bool(other))


if __name__ == "__main__":
    main()
