"""A contact sheet: the same part of each picture as several folders of results have it, side by side, pixel for pixel.

    srcli upscale photos/ -o results/linf -s 4
    python benchmarks/quality/sheet.py results/linf peers/upscayl-lite-4x --low photos/ --out docs/sheet.jpg

A row is a picture, a column is a folder; the first column is what bicubic makes of the small picture (--low). Pictures
are matched by name, that of the small picture or else of the last folder's. Without --at the part is where the folders
differ most. Results of other sizes than the first folder's are resized.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, TITLE = 4, 22  # pixels between parts, and above for names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--low", type=Path, help="the small pictures")
    parser.add_argument("--label", action="append", help="a name for each folder, in order")
    parser.add_argument("--side", type=int, default=240, help="of a part, in pixels of the results")
    parser.add_argument(
        "--at", action="append", default=[], metavar="NAME=X,Y", help="centre of a picture's part, 0 to 1"
    )
    parser.add_argument("--only", nargs="+", help="names of pictures")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    labels = options.label or [folder.name for folder in options.folders]
    if len(labels) != len(options.folders):
        parser.error(f"{len(labels)} labels for {len(options.folders)} folders")
    places = {name: tuple(map(float, at.split(","))) for name, at in (entry.split("=") for entry in options.at)}
    names = [path.stem for path in pictures(options.low or options.folders[-1])]
    names = [name for name in names if not options.only or name in options.only]
    listed = [made_from(names, folder) for folder in options.folders]
    low = made_from(names, options.low) if options.low else {}
    if missing := [n for n in names if any(n not in found for found in [*listed, *([low] if low else [])])]:
        parser.error(f"not in every folder: {', '.join(missing)}")
    rows = [row([f[name] for f in listed], low.get(name), options.side, places.get(name)) for name in names]
    labels = ["bicubic", *labels] if low else labels
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(rows, names, labels, options.side).save(options.out, quality=90)


def pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".webp", ".tif"))


def made_from(names: list[str], folder: Path) -> dict[str, Path]:
    """A folder's pictures by the names of what they were made from: `cat_linf-s_x4.png` is of `cat`."""
    found = {}
    for path in pictures(folder):
        fitting = [name for name in names if f"{path.stem}_".startswith(f"{name}_")]
        found |= {max(fitting, key=len): path} if fitting else {}
    return found


def row(files: list[Path], low: Path | None, side: int, place: tuple[float, ...] | None) -> list[np.ndarray]:
    pictures = [Image.open(path).convert("RGB") for path in files]
    size = pictures[0].size
    if low:
        pictures.insert(0, Image.open(low).convert("RGB"))
    arrays = [np.asarray(p if p.size == size else p.resize(size, Image.Resampling.BICUBIC)) for p in pictures]
    height, width = arrays[0].shape[:2]
    if place is None:
        spread = np.stack(arrays).astype(np.float32).var(0).mean(2)
        sums = cv2.blur(spread, (side, side))[side // 2 : height - side // 2, side // 2 : width - side // 2]
        y, x = np.unravel_index(np.argmax(sums), sums.shape) if sums.size else (0, 0)
    else:
        x, y = (int(share * n - side / 2) for share, n in zip(place, size, strict=True))
    top, left = (max(0, min(int(at), n - side)) for at, n in ((y, height), (x, width)))
    return [a[top : top + side, left : left + side] for a in arrays]


def sheet(rows: list[list[np.ndarray]], names: list[str], labels: list[str], side: int) -> Image.Image:
    step = side + GAP
    made = Image.new("RGB", (step * len(labels) + GAP, (step + TITLE) * len(rows) + TITLE), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(14)
    for column, label in enumerate(labels):
        draw.text((GAP + column * step, 2), label, "black", font)
    for number, (name, parts) in enumerate(zip(names, rows, strict=True)):
        top = TITLE + number * (step + TITLE)
        draw.text((GAP, top + 1), name, "grey", font)
        for column, part in enumerate(parts):
            made.paste(Image.fromarray(part), (GAP + column * step, top + TITLE - GAP))
    return made


if __name__ == "__main__":
    main()
