"""Whether results show what went in: every embedded model on folders of pictures, at several scales.

    python benchmarks/quality/guard.py FOLDER... [--models NAMES] [--scales 1.5,2,3.5,4,8] [--crop 160] \\
        [--before] [--sheet F]

Pictures are cut to the middle `--crop` pixels a side, 0 for all of them. The table has, by model and scale, the median
and the largest disagreement (`srcli.tiling.guard`: of local means, black 0 and white 1) before the guard, exploded
patches, guarded tiles, and the guard's share of the time. The sheet shows the pictures with the largest disagreements:
bicubic, with `--before` as they were, and as they are.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from srcli import Size, SrcliError, Target, Upscaler, images
from srcli.geometry import Window
from srcli.images.layout import whole
from srcli.images.picture import Picture
from srcli.images.write import to_pil
from srcli.methods.linf import flow
from srcli.tiling import strips
from srcli.tiling.guard import LIMIT

MODELS = "linf-lp-s,linf-s,srflow-lp-s,srflow-s,flowsr-s,flowmap-s,auto"
SHOWN, SIDE = 16, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--scales", default="1.5,2,3.5,4,8")
    parser.add_argument("--crop", type=int, default=160)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--before", action="store_true", help="also without the bounds of the flow and the guard")
    args = parser.parse_args()
    pictures = [p for folder in args.folders for p in read(folder, args.crop)]
    print(f"{len(pictures)} pictures, cut to {args.crop or 'their own size'}")
    print("model  scale  median and largest disagreement  exploded patches  guarded tiles  share of time  picture")
    shown: list[tuple[float, str, list[Image.Image]]] = []
    for name in args.models.split(","):
        upscaler = Upscaler(name)
        scales = upscaler.model.scales
        for scale in (float(s) for s in args.scales.split(",")):
            if scales.low <= scale <= scales.high:
                shown += row(upscaler, pictures, scale, before=args.before)
    if args.sheet:
        shown.sort(key=lambda each: each[0])
        worst = {each[1].split("/")[-1]: each for each in shown}  # of each picture the largest
        sheet(list(worst.values())[: -SHOWN - 1 : -1], args.sheet)


def row(
    upscaler: Upscaler, pictures: list[tuple[str, Picture]], scale: float, *, before: bool
) -> list[tuple[float, str, list[Image.Image]]]:
    """Print a line of the table. Returns the pictures with the largest disagreements: that, a label, versions."""
    made = [one(upscaler, picture, scale) for _, picture in pictures]
    off = np.array([each.count.disagreement for each in made])
    tiles, guarded, exploded = (
        sum(getattr(each.count, what) for each in made) for what in ("tiles", "guarded", "exploded")
    )
    share = sum(each.guard for each in made) / sum(each.seconds for each in made)
    top = int(off.argmax())
    told = f"{upscaler.entry.name:12} x{scale:<4g} {np.median(off):.3f}  {off[top]:.3f}  {exploded:6}"
    told += f"  {guarded:3} of {tiles:<4}  {100 * share:5.1f} %  {pictures[top][0]}"
    versions = [[each.picture] for each in made]
    if before:
        with unbounded():
            old = [one(upscaler, picture, scale) for _, picture in pictures]
        off = np.array([each.count.disagreement for each in old])
        told += f"  before: largest {off.max():.3f}, {int((~(off <= LIMIT)).sum())} pictures beyond {LIMIT}"
        same = [(was, now) for was, now in zip(old, made, strict=True) if was.count.disagreement <= LIMIT]
        told += f"; of the others {changed(same)}"
        versions = [[was.picture, now.picture] for was, now in zip(old, made, strict=True)]
    print(told, flush=True)
    plain = Upscaler("bicubic")
    found = []
    for at in np.nan_to_num(off, nan=np.inf).argsort()[-SHOWN:]:
        name, picture = pictures[at]
        baseline = to_pil(plain.run(picture, Target(scale=scale)).picture)
        found.append((float(off[at]), f"{upscaler.entry.name} x{scale:g} {name}", [baseline, *versions[at]]))
    return found


def changed(pairs: list[tuple[Made, Made]]) -> str:
    """How far pictures are the same as they were."""
    away = [np.abs(np.asarray(was.picture, np.float64) - np.asarray(now.picture)).ravel() for was, now in pairs]
    values = np.concatenate(away or [np.zeros(1)])
    return f"{100 * (values > 0).mean():.2f} % of the values changed, by {values.mean():.4f} on average"


@contextlib.contextmanager
def unbounded() -> Iterator[None]:
    """Flows and tiles as they were before both were bounded."""
    limits, limit = (flow.STRETCH, flow.RESIDUAL), strips.LIMIT
    flow.STRETCH, flow.RESIDUAL, strips.LIMIT = lambda x: x, lambda x: x, np.inf  # type: ignore[assignment]
    try:
        yield
    finally:
        (flow.STRETCH, flow.RESIDUAL), strips.LIMIT = limits, limit


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


@dataclass(frozen=True, slots=True)
class Made:
    """A result, what it took, and the seconds of all and of the guard."""

    picture: Image.Image
    count: strips.Count
    seconds: float
    guard: float


def one(upscaler: Upscaler, picture: Picture, scale: float) -> Made:
    """A result with the guard's time taken apart."""
    spent, plain = [0.0], strips.disagreement

    def timed(made: Tensor, lr: Tensor, window: Window, size: Size) -> float:
        start = time.perf_counter()
        off = plain(made, lr, window, size)
        spent[0] += time.perf_counter() - start
        return off

    strips.disagreement = timed
    try:
        start = time.perf_counter()
        chosen = upscaler.pick(picture, target=Target(scale=scale))
        stream = chosen.upscaler.stream(picture, Target(scale=scale), chosen.sampling)
        pixels = whole(stream.layout, stream.bands())
        seconds = time.perf_counter() - start
    finally:
        strips.disagreement = plain
    colour, alpha = (pixels[..., :-1], pixels[..., -1]) if stream.layout.alpha else (pixels, None)
    return Made(to_pil(replace(picture, colour=colour, alpha=alpha)), stream.count, seconds, spent[0])


def sheet(rows: list[tuple[float, str, list[Image.Image]]], path: Path) -> None:
    """Each picture's versions side by side, with its name: bicubic, before (where asked for), now."""
    columns = len(rows[0][2])
    made = Image.new("RGB", (2 * columns * SIDE, -(-len(rows) // 2) * (SIDE + 16)), "white")
    draw = ImageDraw.Draw(made)
    for number, (off, label, versions) in enumerate(rows):
        x, y = number % 2 * columns * SIDE, number // 2 * (SIDE + 16)
        for column, picture in enumerate(versions):
            shown = picture.convert("RGBA").resize(
                [round(n * (SIDE - 4) / max(picture.size)) or 1 for n in picture.size]
            )
            made.paste(shown, (x + column * SIDE, y), shown)
        draw.text((x, y + SIDE - 2), f"{label}: {off:.3g}", "black")
    made.save(path)


if __name__ == "__main__":
    main()
