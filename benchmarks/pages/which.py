"""The pictures and choices of docs/models.md, "Which model for my picture?".

    python benchmarks/pages/which.py --out docs/which

Makes six small pictures from `examples/` and `srcli.drawing`, lets `auto` choose a model for each and prints what it
chose. For each it writes a picture 160 pixels wide: a part of the input with its pixels enlarged as they are, above the
same part of the result at x4. --inputs keeps the six pictures; --model and --detail show other results.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from srcli import Target, Upscaler, drawing
from srcli.images import open_bytes
from srcli.images.write import to_pil
from srcli.tiling.model import Sampling

EXAMPLES = Path(__file__).parents[2] / "examples"
SCALE, GAP = 4, 4
WIDTH, HEIGHT = 40, 24  # of the part shown, in pixels of the input


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A picture as a file. at: the part shown, its left and top. shown: the suffix of what is shown."""

    name: str
    at: tuple[int, int]
    make: Callable[[], Image.Image]
    suffix: str = ".png"
    quality: int = 95
    shown: str = ".jpg"

    def file(self) -> bytes:
        buffer = io.BytesIO()
        if self.suffix == ".jpg":
            self.make().save(buffer, "JPEG", quality=self.quality)
        else:
            self.make().save(buffer, "PNG")
        return buffer.getvalue()


def example(name: str) -> Image.Image:
    return Image.open(EXAMPLES / name).convert("RGB")


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """With Gaussian noise of a standard deviation in 8-bit levels."""
    values = np.asarray(image, np.float32)
    values = values + np.random.default_rng(0).normal(0, sigma, values.shape)
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


INPUTS = (
    Input(name="photo", at=(68, 40), make=lambda: example("cat.png")),
    Input(name="web", at=(132, 24), make=lambda: example("coffee.jpg"), suffix=".jpg", quality=30),
    Input(name="noisy", at=(68, 40), make=lambda: noisy(example("cat.png"), 10)),
    Input(name="blurred", at=(125, 92), make=lambda: example("coffee.jpg").filter(ImageFilter.GaussianBlur(1.2))),
    Input(name="screen", at=(12, 66), make=lambda: drawing.draw("screen", 1, 240, 160), shown=".png"),
    Input(name="fax", at=(18, 28), make=lambda: drawing.draw("fax", 1, 240, 180), shown=".png"),
)


def pair(before: Image.Image, after: Image.Image, at: tuple[int, int]) -> Image.Image:
    """A part of the input above the same part of the result."""
    left, top = at
    box = (left, top, left + WIDTH, top + HEIGHT)
    size = (WIDTH * SCALE, HEIGHT * SCALE)
    part = before.convert("RGB").crop(box).resize(size, Image.Resampling.NEAREST)
    large = after.convert("RGB").crop(tuple(SCALE * n for n in box))
    canvas = Image.new("RGB", (size[0], 2 * size[1] + GAP), "white")
    canvas.paste(part, (0, 0))
    canvas.paste(large, (0, size[1] + GAP))
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures that are shown")
    parser.add_argument("--inputs", type=Path, help="folder to keep the pictures in")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--detail", type=float, default=1.0)
    options = parser.parse_args()
    upscaler, sampling = Upscaler(options.model), Sampling(detail=options.detail)
    for folder in filter(None, (options.out, options.inputs)):
        folder.mkdir(parents=True, exist_ok=True)
    for each in INPUTS:
        data = each.file()
        if options.inputs:
            (options.inputs / f"{each.name}{each.suffix}").write_bytes(data)
        picture = open_bytes(data, each.name).picture(0)
        chosen = upscaler.pick(picture, sampling, Target(scale=SCALE))
        result = upscaler.run(picture, Target(scale=SCALE), sampling)
        shown = pair(Image.open(io.BytesIO(data)), to_pil(result.picture), each.at)
        shown = shown if each.shown == ".jpg" else shown.quantize(128)
        shown.save(options.out / f"{each.name}{each.shown}", quality=88, optimize=True)
        why = f" ({chosen.choice.kind}: {chosen.choice.why})" if chosen.choice else ""
        detail = chosen.sampling.detail
        print(f"{each.name}{each.suffix}: {chosen.upscaler.entry.name}, detail {detail:g}{why}")


if __name__ == "__main__":
    main()
