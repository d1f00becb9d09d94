"""A contact sheet of what a recipe learns from: sharp and given pictures side by side, with words."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from srcli.drawing import fonts
from srcli.training.data import everyday
from srcli.training.data.photos import Photos
from srcli.training.data.prefetch import Crops
from srcli.training.data.shown import Shown

CELL = 256  # pixels of a picture's side on the sheet
GAP = 8
LINES, LETTERS, LINE = 3, 84, 14  # of words below a pair, their letters, and pixels of a line
PAPER, INK = (255, 255, 255), (0, 0, 0)


def of_crops(crops: Crops[Any], photos: Any, seed: int, count: int) -> list[Shown]:
    """The first pairs of a recipe's batches, as it is trained on them."""
    pairs: list[Shown] = []
    for step in range(count):
        pairs += crops.show(photos, seed, step)
        if len(pairs) >= count:
            break
    return pairs[:count]


def of_mix(photos: Photos, seed: int, count: int, side: int, mix: everyday.Mix) -> list[Shown]:
    """Samples of a mix of everyday pictures."""
    rng = np.random.default_rng(seed)
    samples = [everyday.described(photos, rng, side, mix) for _ in range(count)]
    return [Shown(d.sample.truth, d.sample.small, f"x{d.sample.scale:.3g}: {d.words}") for d in samples]


def sheet(pairs: Sequence[Shown], columns: int = 3) -> Image.Image:
    """The pairs in rows, RGB: sharp on the left, what the network gets on the right, words below.

    Pictures smaller than their cell are enlarged by repeating pixels, larger ones are reduced.
    """
    wide, high = 2 * CELL + 2 + GAP, CELL + LINES * LINE + GAP
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    page = Image.new("RGB", (columns * (wide + GAP) + GAP, rows * (high + GAP) + GAP), PAPER)
    pen, font = ImageDraw.Draw(page), fonts.load("", 11)
    for number, pair in enumerate(pairs):
        left, top = GAP + number % columns * (wide + GAP), GAP + number // columns * (high + GAP)
        if pair.sharp is None:
            pen.text((left + CELL // 2, top + CELL // 2), "truth not known", INK, font, "mm")
        else:
            page.paste(_cell(pair.sharp), (left, top))
        page.paste(_cell(pair.given), (left + CELL + 2, top))
        words = textwrap.wrap(pair.words, LETTERS, max_lines=LINES, placeholder=" ...")
        pen.text((left, top + CELL + 3), "\n".join(words), INK, font, spacing=2)
    return page


def png(pairs: Sequence[Shown]) -> bytes:
    """The sheet as a PNG file."""
    file = io.BytesIO()
    sheet(pairs).save(file, "PNG")
    return file.getvalue()


def _cell(image: np.ndarray) -> Image.Image:
    larger = max(image.shape[:2]) > CELL
    return Image.fromarray(image).resize((CELL, CELL), Image.Resampling.LANCZOS if larger else Image.Resampling.NEAREST)
