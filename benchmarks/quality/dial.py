"""What `--detail` must not do, as Markdown: move colours, and draw lines beside edges.

    python benchmarks/quality/dial.py pictures/ --models flowsr-s,flowmap-s --scales 4

Colours: low frequencies (Gaussian, 8 pixels of the result) at full detail against those at none, in steps of 255: the
mean over all pictures, the mean of the worst picture, and the worst picture's 99th percentile. Ripple: a dark half next
to a light one is enlarged; the largest difference between neighbours 8 to 26 pixels away from the edge, in steps of 255
too, at no detail and at full detail. There should be none.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from srcli import Upscaler
from srcli.images import folders
from srcli.images.read import read

SIGMA = 8.0  # pixels of the result
DARK, LIGHT, SIDE, EDGE = 40, 220, 64, 33  # the edge: an odd place, off every grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--models", default="flowsr-s", help="names or files, separated by commas")
    parser.add_argument("--scales", default="2,3,4")
    parser.add_argument("--crop", type=int, default=128, help="pixels a side of a picture at most, from its middle")
    options = parser.parse_args()
    pictures = list(cropped(options.pictures, options.crop))
    print(f"{datetime.date.today()}, {len(pictures)} pictures of {options.pictures.name}\n")
    print("| Model | Scale | Colours: mean | worst picture | worst 1 % | Ripple, detail 0 | detail 1 |")
    print("|---|---|---|---|---|---|---|")
    for name in options.models.split(","):
        model = Upscaler.from_file(name) if Path(name).is_file() else Upscaler(name)
        for scale in (float(text) for text in options.scales.split(",")):
            moved = np.array([drift(model, picture, scale) for picture in pictures])
            means = f"{moved[:, 0].mean():.2f} | {moved[:, 0].max():.2f} | {moved[:, 1].max():.2f}"
            beside = " | ".join(f"{ripple(model, scale, detail):.2f}" for detail in (0.0, 1.0))
            print(f"| {Path(name).stem} | {scale:g} | {means} | {beside} |", flush=True)


def cropped(folder: Path, side: int) -> Iterator[np.ndarray]:
    """The middle of every picture in a folder, (h, w, 3) uint8."""
    for path in folders.pictures(folder):
        picture = read(path).rgb()
        y, x = (max(0, length - side) // 2 for length in picture.shape[:2])
        yield np.ascontiguousarray(picture[y : y + side, x : x + side])


def drift(model: Upscaler, picture: np.ndarray, scale: float) -> tuple[float, float]:
    """How far full detail moves the low frequencies from where no detail has them: mean and 99th percentile."""
    none, full = (model.upscale(picture, scale, detail=detail).astype(np.float32) for detail in (0.0, 1.0))
    moved = np.abs(cv2.GaussianBlur(full - none, (0, 0), SIGMA))
    return float(moved.mean()), float(np.percentile(moved, 99))


def ripple(model: Upscaler, scale: float, detail: float) -> float:
    """The largest difference between neighbours on the two plains beside an edge, mean over the rows."""
    picture = np.full((SIDE, SIDE, 3), DARK, np.uint8)
    picture[:, EDGE:] = LIGHT
    made = model.upscale(picture, scale, detail=detail).astype(np.float64)
    edge, rows = round(EDGE * scale), slice(round(20 * scale), round(44 * scale))
    plains = (slice(edge - 26, edge - 8), slice(edge + 8, edge + 26))
    return float(max(np.abs(np.diff(made[rows, plain].mean((0, 2)))).max() for plain in plains))


if __name__ == "__main__":
    main()
