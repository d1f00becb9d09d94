"""Draw sixty graphics of all kinds with known truth, and small versions to enlarge.

    python benchmarks/quality/graphics.py graphics/
    srcli upscale graphics/x4 -o results/ -s 4

OUT/truth has the graphics, OUT/x2 and so on smaller ones by Pillow's antialiased bicubic on 8 bits. OUT/native has
files of kinds that exist at low size (one bit, palettes, icons, pixel art) as they are, without a truth. OUT/sheet.png
shows all truths with their names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srcli.degradation.bicubic import downscale
from srcli.drawing import KINDS, draw
from srcli.drawing.kinds import BY_NAME

COUNT = 60
MULTIPLE = 12  # of sides: divisible by 2, 3 and 4
COLUMNS, TITLE, GAP = 8, 18, 8  # of the contact sheet, in pixels but for columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="480x360", help="of the truths, multiples of 12")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scales", default="2,3,4")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    scales = [int(scale) for scale in options.scales.split(",")]
    if width % MULTIPLE or height % MULTIPLE or any(width % scale or height % scale for scale in scales):
        parser.error(f"{width}x{height}: sides must be multiples of {MULTIPLE} and of every scale")
    shown = {}
    for number, (kind, turn) in enumerate(balanced(COUNT), 1):
        # The stride is a prime, so that other sets begin with other styles.
        name, seed = f"{number:02}_{kind}_{turn}", options.seed * 1009 + turn - 1
        truth = shown[name] = draw(kind, seed, width, height)
        save(truth, options.out / "truth" / f"{name}.png")
        for scale in scales:
            save(smaller(truth, scale), options.out / f"x{scale}" / f"{name}.png")
        if native := BY_NAME[kind].native:
            save(draw(kind, seed, *native), options.out / "native" / f"{name}.png")
    save(sheet(shown), options.out / "sheet.png")
    print(f"{len(shown)} graphics of {len(KINDS)} kinds in {options.out}")


def balanced(count: int) -> list[tuple[str, int]]:
    """Kinds with a running number, as even as count allows: the first kinds have one more. Grouped by kind."""
    least, extra = divmod(count, len(KINDS))
    return [(kind, turn) for n, kind in enumerate(KINDS) for turn in range(1, least + (n < extra) + 1)]


def smaller(picture: Image.Image, scale: int) -> Image.Image:
    """One-bit pictures become grey, palettes become colours. Alpha is scaled beside the colours."""
    size = picture.height // scale, picture.width // scale
    if picture.mode == "RGBA" or "transparency" in picture.info:
        values = np.asarray(picture.convert("RGBA"))
        return Image.fromarray(np.dstack([downscale(values[..., :3], *size), downscale(values[..., 3], *size)]))
    return Image.fromarray(downscale(np.asarray(picture.convert("L" if picture.mode in "1L" else "RGB")), *size))


def sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    """At half size, on a checkerboard where transparent."""
    width, height = (n // 2 for n in next(iter(pictures.values())).size)
    rows = -(-len(pictures) // COLUMNS)
    made = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (height + TITLE + GAP) + GAP), "white")
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(13)
    for n, (name, picture) in enumerate(pictures.items()):
        left, top = GAP + n % COLUMNS * (width + GAP), GAP + n // COLUMNS * (height + TITLE + GAP)
        full = picture.convert("RGBA")
        y, x = np.indices(full.size[::-1]) // 8
        ground = Image.fromarray(np.where((x + y) % 2, 255, 225).astype(np.uint8)).convert("RGBA")
        ground.alpha_composite(full)
        made.paste(ground.convert("RGB").resize((width, height), Image.Resampling.BOX), (left, top))
        pen.text((left, top + height + 1), f"{name} ({picture.mode})", "black", font)
    return made


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


if __name__ == "__main__":
    main()
