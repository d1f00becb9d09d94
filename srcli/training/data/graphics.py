"""Drawn pictures to train on: parts of graphics of all kinds, without end, over colours where they are transparent.

They are drawn anew for every crop. On one core that takes 6 ms at 96 pixels a side, 11 at 160 and 22 at 256, the mean
over the kinds; the slowest ones, handwriting and maps, come less often.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing import KINDS, draw

LEAST_SHEET = 160  # pixels a side: smaller graphics are cut from this
LEAST_SPREAD = 8.0  # standard deviation of the grey values, in 8-bit steps, of a part that shows something
PARTS = 6  # that are looked at in a graphic
# The weights of kinds, 1 unless said. Noise has nothing that a network could learn; patterns have little.
WEIGHTS = {"noise": 0.0, "handwriting": 0.2, "map": 0.6, "text": 2.5, "screen": 2.0, "logo": 1.5, "chart": 1.5}
WEIGHTS |= {"checker": 0.4, "grating": 0.4, "gradient": 0.6}
SHARES = np.array([WEIGHTS.get(kind, 1.0) for kind in KINDS])
SHARES /= SHARES.sum()


def graphic(rng: np.random.Generator, side: int) -> tuple[np.ndarray, str]:
    """A square of a graphic, uint8 (side, side, 3), never of one colour, and its kind."""
    while True:
        kind, seed = KINDS[rng.choice(len(KINDS), p=SHARES)], int(rng.integers(2**31))
        width, height = (max(LEAST_SHEET, round(side * n)) for n in rng.uniform(1, 1.6, size=2))
        sheet = _opaque(draw(kind, seed, width, height), rng)
        parts = [_part(sheet, rng, side) for _ in range(PARTS)]
        spreads = [float(part.mean(2).std()) for part in parts]
        best = next((n for n, spread in enumerate(spreads) if spread >= LEAST_SPREAD), int(np.argmax(spreads)))
        if spreads[best] >= 1:
            return np.ascontiguousarray(parts[best]), kind


def _part(sheet: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    top, left = (int(rng.integers(n - side + 1)) for n in sheet.shape[:2])
    return sheet[top : top + side, left : left + side]


def _opaque(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """RGB of a picture, over white, black or any colour where it is transparent."""
    chance, colour = rng.random(), tuple(int(n) for n in rng.integers(256, size=3))
    if picture.mode != "RGBA" and "transparency" not in picture.info:
        return np.asarray(picture.convert("RGB"))
    ground = (255, 255, 255) if chance < 0.35 else (0, 0, 0) if chance < 0.45 else colour
    sheet = Image.new("RGBA", picture.size, (*ground, 255))
    sheet.alpha_composite(picture.convert("RGBA"))
    return np.asarray(sheet.convert("RGB"))
