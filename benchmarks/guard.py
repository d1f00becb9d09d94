"""Whether results show what went in: every embedded model on folders of pictures, at several scales.

    python benchmarks/guard.py FOLDER... [--models linf-lp-s,...] [--scales 1.5,2,3.5,4,8] [--crop 160] [--sheet FILE]

Pictures are cut to the middle `--crop` pixels a side, 0 for all of them. The table has, by model and scale, the median
and the largest disagreement (`srcli.guard`: of local means, black 0 and white 1) before the guard, the share of
pictures with exploded patches, the guarded tiles, and the seconds that the guard took. The sheet shows the pictures
with the largest disagreements beside bicubic.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from srcli import SrcliError, Target, Upscaler, images, strips
from srcli.images.picture import Picture
from srcli.images.write import to_pil

MODELS = "linf-lp-s,linf-s,srflow-lp-s,srflow-s,flowsr-s,flowmap-s,auto"
SHOWN, SIDE = 12, 240


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--scales", default="1.5,2,3.5,4,8")
    parser.add_argument("--crop", type=int, default=160)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    pictures = [p for folder in args.folders for p in read(folder, args.crop)]
    print(f"{len(pictures)} pictures, cut to {args.crop or 'their own size'}")
    print("model        scale  median  largest  exploded  guarded  guard's share of time  largest of all")
    worst: list[tuple[float, str, Image.Image, Image.Image]] = []
    plain = Upscaler("bicubic")
    for name in args.models.split(","):
        upscaler = Upscaler(name)
        low, high = upscaler.model.scales.low, upscaler.model.scales.high
        for scale in (float(s) for s in args.scales.split(",")):
            if not low <= scale <= high:
                continue
            rows = [(*one(upscaler, picture, scale), label) for label, picture in pictures]
            off = np.array([count.disagreement for count, _, _, _, _ in rows])
            exploded = sum(count.exploded > 0 for count, *_ in rows)
            tiles, guarded = (sum(getattr(count, what) for count, *_ in rows) for what in ("tiles", "guarded"))
            guard, whole = (sum(row[at] for row in rows) for at in (1, 2))
            top = int(off.argmax())
            print(
                f"{name:12} {scale:5g}  {np.median(off):6.3f}  {off[top]:7.3f}  {exploded:8}  {guarded:3}/{tiles:<3}"
                f"  {100 * guard / whole:20.1f}%  {rows[top][4]}",
                flush=True,
            )
            for at in off.argsort()[-2:]:
                low_picture = dict(pictures)[rows[at][4]]
                same = to_pil(plain.run(low_picture, Target(scale=scale)).picture)
                worst.append((float(off[at]), f"{name} x{scale:g} {rows[at][4]}", same, rows[at][3]))
    if args.sheet:
        sheet(sorted(worst, key=lambda w: -w[0])[:SHOWN], args.sheet)


def read(folder: Path, crop: int) -> list[tuple[str, Picture]]:
    """The pictures of a folder that can be read, by name, cut to their middle."""
    found = []
    for path in sorted(folder.iterdir()):
        try:
            picture = images.read(path)
        except SrcliError:
            continue
        sides = [(n, min(n, crop or n)) for n in (picture.size.height, picture.size.width)]
        rows, cols = (slice((n - part) // 2, (n - part) // 2 + part) for n, part in sides)
        alpha = None if picture.alpha is None else picture.alpha[rows, cols]
        found.append((f"{folder.name}/{path.name}", replace(picture, colour=picture.colour[rows, cols], alpha=alpha)))
    return found


def one(upscaler: Upscaler, picture: Picture, scale: float) -> tuple[strips.Count, float, float, Image.Image]:
    """A result's count, the seconds of the guard and of everything, and the result."""
    spent, plain = [0.0], strips.disagreement

    def timed(*args: object) -> float:
        start = time.perf_counter()
        off = plain(*args)  # type: ignore[arg-type]
        spent[0] += time.perf_counter() - start
        return off

    strips.disagreement = timed
    try:
        start = time.perf_counter()
        chosen = upscaler.of(picture)
        made = chosen.upscaler.stream(picture, Target(scale=scale), chosen.sampling)
        bands = list(made.bands())
        whole = time.perf_counter() - start
    finally:
        strips.disagreement = plain
    colour = np.concatenate([band[0] for band in bands])
    alpha = None if bands[0][1] is None else np.concatenate([band[1] for band in bands if band[1] is not None])
    return made.count, spent[0], whole, to_pil(replace(picture, colour=colour, alpha=alpha))


def sheet(rows: list[tuple[float, str, Image.Image, Image.Image]], path: Path) -> None:
    """Bicubic and the result side by side, with their names."""
    made = Image.new("RGB", (4 * SIDE, -(-len(rows) // 2) * (SIDE + 16)), "white")
    draw = ImageDraw.Draw(made)
    for number, (off, label, before, after) in enumerate(rows):
        x, y = number % 2 * 2 * SIDE, number // 2 * (SIDE + 16)
        for column, picture in enumerate((before, after)):
            shown = picture.convert("RGBA")
            shown.thumbnail((SIDE - 4, SIDE - 4))
            made.paste(shown, (x + column * SIDE, y), shown)
        draw.text((x, y + SIDE), f"{label}: {off:.3f}", "black")
    made.save(path)


if __name__ == "__main__":
    main()
