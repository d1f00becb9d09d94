"""Pixel art: sprites and scenes of games with a small palette."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing.colours import hsv, mix
from srcli.drawing.dice import Dice

# Palettes: clear, outline, then three steps from dark to light for each of: ground, leaves, skin, cloth, metal, sky.
HUES = ((0.08, 0.5), (0.33, 0.6), (0.07, 0.45), (0.97, 0.75), (0.6, 0.15), (0.57, 0.5))
HERO = (
    "....OOOO....",
    "...OFFFFO...",
    "..OFFFFFFO..",
    "..OSSOSOSO..",
    "..OSSSSSSO..",
    "...OSSSSO...",
    "..OCCCCCCO..",
    ".OCCCMMCCCO.",
    ".OSOCCCCOSO.",
    "..OOCCCCOO..",
    "...OFOOFO...",
    "..OGGO.OGGO.",
)
TREE = (
    "....OOOO....",
    "..OOLLLLOO..",
    ".OLLlLLLLLO.",
    ".OLlLLLLdLO.",
    "OLLLLLdLLLLO",
    "OLdLLLLLLdLO",
    ".OLLdLLLLLO.",
    "..OOLLddOO..",
    "....OGgO....",
    "....OGgO....",
    "....OGgO....",
    "...OGGGgO...",
)
COIN = ("..OOOO..", ".OYYYYO.", "OYyYYYYO", "OYyYYYYO", "OYyYYYYO", "OYyYYYYO", ".OYYYYO.", "..OOOO..")
GEM = ("..OOOO..", ".ObBBbO.", "ObBBBBbO", "OBBBBBBO", ".OBBBBO.", "..OBBO..", "...OO...", "........")
CODES = {
    ".": 0, "O": 1, "g": 2, "G": 3, "d": 5, "L": 6, "l": 7, "S": 9, "F": 11, "C": 12, "M": 15, "B": 18, "b": 19,
    "Y": 20, "y": 21,
}  # fmt: skip


def pixel_art(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode P. Each cell of the drawing is a square of whole pixels; one pixel where the picture is small."""
    side = min(width, height)
    cell = 1 if side <= 128 else dice.pick(tuple(n for n in (2, 3, 4, 6, 8) if side // n >= 32))
    columns, rows = -(-width // cell), -(-height // cell)
    paint = dice.turn((_platforms, _from_above, _invaders))
    cells = paint(dice, columns, rows)
    grown = np.repeat(np.repeat(cells, cell, 0), cell, 1)[:height, :width]
    picture = Image.fromarray(grown.astype(np.uint8)).convert("P")
    picture.putpalette(_palette(dice))
    return picture


def _palette(dice: Dice) -> list[int]:
    shift, strength = dice.uniform(-0.06, 0.06), dice.uniform(0.7, 1.3)
    colours = [(20, 16, 32) if dice.chance(0.7) else (0, 0, 0), (34, 20, 30)]
    for hue, saturation in HUES:
        base = hsv(hue + shift, min(1, saturation * strength), 0.75)
        colours += [mix(base, (30, 20, 60), 0.4), base, mix(base, (255, 255, 220), 0.45)]
    colours += [(250, 190, 40), (255, 240, 150)]
    return [value for colour in colours for value in colour]


def _platforms(dice: Dice, columns: int, rows: int) -> np.ndarray:
    """Sky with clouds, hills, a floor of bricks and grass, ledges, trees, coins and a hero."""
    cells = np.full((rows, columns), 18 if dice.chance(0.75) else 0)
    if cells[0, 0] == 18:
        cells[: rows // 4] = 17
        cells[rows // 4 - 1 : rows // 4 + 1] = np.where(np.indices((2, columns)).sum(0) % 2, 17, 18)[
            : len(cells[rows // 4 - 1 : rows // 4 + 1])
        ]
        for _ in range(dice.between(2, 5)):
            _cloud(dice, cells)
    else:
        cells[dice.rng.random(cells.shape) < 0.01] = 16
    floor = max(0, rows - max(3, rows // 6))
    hill = floor - np.abs(np.cumsum(dice.rng.integers(-1, 2, columns))) * 2 // 3
    for x in range(columns):
        cells[max(0, hill[x]) : floor, x] = 5
    for x in range(0, columns - 12, 14):
        if dice.chance(0.6):
            _put(cells, TREE, x + dice.between(0, 6), floor - 12)
    _ground(cells, floor)
    for _ in range(max(1, columns * rows // 2500)):
        x, y, long = dice.between(0, columns - 1), dice.between(rows // 4, floor - 14), dice.between(2, 5) * 8
        cells[y : y + 6, x : x + long] = _bricks(6, long)[: rows - y, : columns - x]
        for step in range(0, long - 8, 10):
            _put(cells, dice.pick((COIN, COIN, GEM)), x + step, y - 9)
    _put(cells, HERO, dice.between(0, columns - 12), floor - 12)
    return cells


def _invaders(dice: Dice, columns: int, rows: int) -> np.ndarray:
    """Rows of mirrored random creatures, outlined."""
    cells = np.zeros((rows, columns), int)
    cells[dice.rng.random(cells.shape) < 0.004] = 16
    side = dice.pick((8, 10, 12))
    for y in range(2, rows - side - 1, side + 5):
        for x in range(2, columns - side - 1, side + 5):
            half = dice.rng.random((side, side // 2)) < np.linspace(0.35, 0.75, side // 2)
            body = np.concatenate([half, half[:, ::-1]], 1)
            tone = 3 * dice.between(0, 5) + 3
            shades = np.where(dice.rng.random(half.shape) < 0.3, tone + 1, tone)
            drawn = np.where(body, np.concatenate([shades, shades[:, ::-1]], 1), 0)
            cells[y : y + side, x : x + side] = drawn
    return cells


def _from_above(dice: Dice, columns: int, rows: int) -> np.ndarray:
    """Things and people on a floor of tiles, as seen from above."""
    tile = 12
    y, x = np.indices((rows, columns))
    ground = dice.pick((5, 2, 14))
    cells = np.where((y % tile == 0) | (x % tile == 0), ground, ground + 1)
    cells[dice.rng.random(cells.shape) < 0.03] = ground + 2
    for row in range(0, rows - tile + 1, tile):
        for column in range(0, columns - tile + 1, tile):
            if dice.chance(0.4):
                _put(cells, dice.pick((TREE, TREE, HERO, COIN, GEM)), column, row)
            elif dice.chance(0.25):
                cells[row : row + tile, column : column + tile] = _bricks(tile, tile)
    return cells


def _put(cells: np.ndarray, sprite: tuple[str, ...], left: int, top: int) -> None:
    for y, row in enumerate(sprite, top):
        for x, mark in enumerate(row, left):
            if mark != "." and 0 <= y < cells.shape[0] and 0 <= x < cells.shape[1]:
                cells[y, x] = CODES[mark]


def _ground(cells: np.ndarray, floor: int) -> None:
    rows, columns = cells.shape
    cells[floor:] = _bricks(rows - floor, columns)
    cells[floor : floor + 2] = 6
    cells[floor] = 7
    cells[floor + 2 : floor + 3, ::3] = 6


def _bricks(rows: int, columns: int) -> np.ndarray:
    y, x = np.indices((rows, columns))
    joint = (y % 4 == 3) | ((x + 4 * (y // 4 % 2)) % 8 == 7)
    return np.where(joint, 2, np.where(y % 4 == 0, 4, 3))


def _cloud(dice: Dice, cells: np.ndarray) -> None:
    rows, columns = cells.shape
    y, x = np.indices(cells.shape)
    cx, cy = dice.between(0, columns), dice.between(2, max(3, rows // 3))
    for n in range(3):
        blob = ((x - cx - 5 * n) / (6 - abs(n - 1))) ** 2 + ((y - cy) / (4 - abs(n - 1))) ** 2 < 1
        cells[blob & (y <= cy + 1)] = 16
