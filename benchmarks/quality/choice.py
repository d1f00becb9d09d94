"""What `auto` chooses for damaged pictures, and what that gains over bicubic interpolation.

    python benchmarks/quality/choice.py --photos Set14 Set5 --graphics GRAPHICS/truth [--scales 2,3,4] [--csv FILE]

Every picture is made smaller by Pillow's bicubic on 8 bits, damaged (JPEG, JPEG saved again as PNG, noise of the
colours and grey, two values), and enlarged again by `auto`. A line for each kind of damage and scale: the models and
details taken with their counts, and the gain in PSNR-Y (dB) over bicubic of the same small picture: mean, least, and
the pictures that lose more than 0.3 dB. Graphics come from benchmarks/quality/graphics.py.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from srcli import Target, Upscaler
from srcli.degradation.bicubic import downscale
from srcli.images import read
from srcli.images.picture import Picture
from srcli.images.read import decode
from srcli.metrics.psnr import psnr

LOSS = -0.3  # dB from which a picture is named
Damage = Callable[[np.ndarray, np.random.Generator], Picture]


def jpeg(pixels: np.ndarray, quality: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return decode(buffer.getvalue())


def noise(pixels: np.ndarray, rng: np.random.Generator, sigma: float, grey: bool) -> Picture:
    shape = (*pixels.shape[:2], 1) if grey else pixels.shape
    return Picture((pixels + rng.normal(0, sigma, shape)).round().clip(0, 255).astype(np.uint8))


def two_values(pixels: np.ndarray) -> Picture:
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    return Picture(np.repeat(np.where(luma > 127, 255, 0).astype(np.uint8)[..., None], 3, 2))


PHOTOS: dict[str, Damage] = {
    "clean": lambda x, rng: Picture(x),
    **{f"JPEG {q}": (lambda x, rng, q=q: jpeg(x, q)) for q in (20, 30, 50, 75, 85, 95)},
    **{f"JPEG {q} as PNG": (lambda x, rng, q=q: replace(jpeg(x, q), tables=())) for q in (30, 75)},
    **{f"noise {s}": (lambda x, rng, s=s: noise(x, rng, s, False)) for s in (2, 4, 8, 12, 20, 30, 50)},
    **{f"grey noise {s}": (lambda x, rng, s=s: noise(x, rng, s, True)) for s in (4, 12, 30)},
}
GRAPHICS: dict[str, Damage] = {
    "graphic": lambda x, rng: Picture(x),
    "graphic, two values": lambda x, rng: two_values(x),
    **{f"graphic, JPEG {q}": (lambda x, rng, q=q: jpeg(x, q)) for q in (30, 75, 95)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", nargs="*", type=Path, default=[])
    parser.add_argument("--graphics", nargs="*", type=Path, default=[])
    parser.add_argument("--scales", default="2,3,4")
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    auto, plain, rows = Upscaler(), Upscaler("bicubic"), []
    for folders, damages in ((args.photos, PHOTOS), (args.graphics, GRAPHICS)):
        originals = [(path.stem, opaque(read(path))) for folder in folders for path in sorted(folder.iterdir())]
        for damage, make in damages.items() if originals else ():
            for scale in (int(s) for s in args.scales.split(",")):
                rng = np.random.default_rng(scale)
                told = [one(auto, plain, name, photo, scale, make, rng) for name, photo in originals]
                tell(damage, scale, told)
                rows += [(damage, scale, *row) for row in told]
    if args.csv:
        with args.csv.open("w", newline="") as file:
            csv.writer(file).writerows([("damage", "scale", "picture", "kind", "model", "detail", "gain"), *rows])


def opaque(picture: Picture) -> np.ndarray:
    """uint8 RGB on white."""
    colour = picture.rgb()
    if picture.alpha is None:
        return colour
    alpha = picture.eight().alpha[..., None] / 255  # type: ignore[index]
    return (colour * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def one(
    auto: Upscaler, plain: Upscaler, name: str, photo: np.ndarray, scale: int, make: Damage, rng: np.random.Generator
) -> tuple[str, str, str, float, float]:
    """Name, kind, model, detail and gain of a picture."""
    height, width = (n // scale for n in photo.shape[:2])
    photo = photo[: height * scale, : width * scale]
    low = make(downscale(photo, height, width), rng)
    target = Target(width=width * scale, height=height * scale)
    chosen = auto.pick(low, target=target)
    made, baseline = (
        psnr(upscaler.run(low, target, sampling).picture.rgb(), photo, border=scale)
        for upscaler, sampling in ((chosen.upscaler, chosen.sampling), (plain, None))
    )
    assert chosen.choice is not None
    return name, chosen.choice.kind, chosen.upscaler.entry.name, chosen.sampling.detail, made - baseline


def tell(damage: str, scale: int, rows: list[tuple[str, str, str, float, float]]) -> None:
    taken = Counter(f"{model} {detail:g}" for _, _, model, detail, _ in rows)
    gains = np.array([row[-1] for row in rows])
    lost = ", ".join(
        f"{row[0]} {row[-1]:.2f} ({row[1]})" for row in sorted(rows, key=lambda r: r[-1]) if row[-1] < LOSS
    )
    told = ", ".join(f"{name}: {count}" for name, count in taken.most_common())
    print(f"{damage:20} x{scale}  mean {gains.mean():6.2f}  least {gains.min():6.2f}  {told}  {lost}", flush=True)


if __name__ == "__main__":
    main()
