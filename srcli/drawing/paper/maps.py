"""Maps: of streets, and of countries."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas, Point, smooth_curve
from srcli.drawing.colours import WHITE, Colour, hsv, mix
from srcli.drawing.dice import Dice
from srcli.drawing.scenes import clouds

Look = dict[str, Colour]  # by what is painted
Grid = Callable[[float, float], tuple[float, float]]  # street coordinates to pixels
STREETS: tuple[Look, ...] = (
    {
        "land": (242, 239, 233), "water": (170, 211, 223), "park": (200, 230, 190), "house": (217, 208, 201),
        "road": (255, 255, 255), "main": (252, 214, 164), "edge": (190, 180, 170), "ink": (60, 60, 60),
    },
    {
        "land": (248, 249, 250), "water": (156, 192, 249), "park": (206, 234, 214), "house": (232, 234, 237),
        "road": (218, 220, 224), "main": (253, 226, 147), "edge": (200, 203, 208), "ink": (80, 84, 90),
    },
    {
        "land": (36, 47, 62), "water": (23, 38, 60), "park": (38, 60, 63), "house": (46, 58, 75),
        "road": (56, 65, 78), "main": (116, 104, 85), "edge": (33, 42, 55), "ink": (214, 190, 140),
    },
)  # fmt: skip


def draw_map(dice: Dice, width: int, height: int) -> Image.Image:
    return dice.turn((streets, countries, streets))(dice, width, height)


def streets(dice: Dice, width: int, height: int) -> Image.Image:
    """A river, parks, a bent grid of streets with houses, main roads with edges, names."""
    look = dice.turn(STREETS)
    canvas = Canvas(width, height, look["land"])
    pitch, turn = dice.uniform(38, 62), dice.uniform(-0.5, 0.5)
    bend = dice.rng.uniform(-0.12, 0.12, 2)
    middle = np.array([width, height]) / 2

    def at(u: float, v: float) -> tuple[float, float]:
        """Street coordinates to pixels."""
        x, y = u + bend[0] * v * v / 300, v + bend[1] * u * u / 300
        return middle[0] + x * np.cos(turn) - y * np.sin(turn), middle[1] + x * np.sin(turn) + y * np.cos(turn)

    reach = int(np.hypot(width, height) / 2 / pitch) + 2
    for i in range(-reach, reach):
        for j in range(-reach, reach):
            corner = (i * pitch, j * pitch)
            if dice.chance(0.1):
                canvas.polygon([at(corner[0] + a * pitch, corner[1] + b * pitch) for a, b in _SQUARE], look["park"])
            else:
                _houses(dice, canvas, look, corner, pitch, at)
    _river(dice, canvas, look["water"])
    grid = [n for n in range(-reach, reach + 1) if not dice.chance(0.15)]
    main = set(dice.shuffled(grid)[: 1 + len(grid) // 6])
    span = np.linspace(-reach * pitch, reach * pitch, 24)
    roads = [[at(n * pitch, s) for s in span] for n in grid] + [[at(s, n * pitch) for s in span] for n in grid]
    for road in roads:
        canvas.line(road, look["edge"], 7)
    for road in roads:
        canvas.line(road, look["road"], 5)
    for n in main:
        for road in ([at(n * pitch, s) for s in span], [at(s, (n + 1) * pitch) for s in span][:: 1 if n % 2 else -1]):
            canvas.line(road, look["edge"], 11)
            canvas.line(road, look["main"], 9)
    sheet = canvas.image()
    _street_names(dice, sheet, look, (pitch, turn), at)
    return sheet


def countries(dice: Dice, width: int, height: int) -> Image.Image:
    """Coloured areas with borders that wind, a sea, towns with names. Drawn at twice the size."""
    wide, tall = 2 * width, 2 * height
    warp = max(wide, tall) * 0.12
    y, x = np.mgrid[0:tall, 0:wide].astype(np.float32)
    x, y = x + (clouds(dice, wide, tall, 1.7) - 0.5) * warp, y + (clouds(dice, wide, tall, 1.7) - 0.5) * warp
    centres = dice.rng.uniform(0, 1, (dice.between(9, 20), 2)) * (wide, tall)
    distances = np.stack([(x - cx) ** 2 + (y - cy) ** 2 for cx, cy in centres])
    owner = distances.argmin(0)
    sea = clouds(dice, wide, tall, 1.9) < dice.uniform(0.25, 0.42)
    hues, pale = dice.rng.permutation(len(centres)) / len(centres), dice.uniform(0.12, 0.35)
    colours = np.array([hsv(hue, pale, dice.uniform(0.85, 1)) for hue in hues], np.uint8)
    picture = colours[owner]
    picture[sea] = dice.pick(((170, 205, 235), (200, 225, 240), (120, 160, 200), (255, 255, 255)))
    owner = np.where(sea, -1, owner)
    kernel = np.ones((dice.pick((2, 3)),) * 2, np.uint8)
    border = np.zeros((tall, wide), np.uint8)
    border[:, 1:] |= (owner[:, 1:] != owner[:, :-1]).astype(np.uint8)
    border[1:] |= (owner[1:] != owner[:-1]).astype(np.uint8)
    picture[cv2.dilate(border, kernel) > 0] = dice.pick(((90, 90, 90), (40, 40, 60), (130, 80, 60)))
    canvas = Canvas(width, height, WHITE, smooth=False)
    canvas.sheet.paste(Image.fromarray(picture).reduce(2))
    _towns(dice, canvas, sea[::2, ::2])
    return canvas.image()


_SQUARE = ((0.05, 0.05), (0.95, 0.05), (0.95, 0.95), (0.05, 0.95))


def _houses(dice: Dice, canvas: Canvas, look: Look, corner: Point, pitch: float, at: Grid) -> None:
    """Rows of houses along two sides of a block."""
    u, inner = corner[0] + 6, pitch - 12
    for row in (0, 1):
        v = corner[1] + (6 if row == 0 else pitch - 6 - inner * 0.32)
        start = 0.0
        while start < inner - 6:
            wide = min(dice.uniform(6, 16), inner - start)
            deep = inner * dice.uniform(0.2, 0.32)
            if dice.chance(0.85):
                shape = [(0, 0), (wide, 0), (wide, deep), (wide * 0.6, deep), (wide * 0.6, deep * 0.6), (0, deep * 0.6)]
                points = [at(u + start + a, v + b) for a, b in shape]
                canvas.polygon(points, look["house"], mix(look["house"], look["ink"], 0.2), 0.75)
            start += wide + dice.uniform(1, 5)


def _river(dice: Dice, canvas: Canvas, water: Colour) -> None:
    if not dice.chance(0.7):
        return
    across = dice.chance(0.5)
    long, short = (canvas.width, canvas.height) if across else (canvas.height, canvas.width)
    knots = [(t * long, short * dice.uniform(0.2, 0.8)) for t in np.linspace(-0.1, 1.1, 6)]
    path = smooth_curve([(a, b) if across else (b, a) for a, b in knots], 16)
    canvas.line(path, water, dice.uniform(12, 36))


def _street_names(dice: Dice, sheet: Image.Image, look: Look, grid: tuple[float, float], at: Grid) -> None:
    """Turned along the streets, with a halo of the land's colour."""
    pitch, turn = grid
    size = dice.pick((9, 10, 11))
    font = fonts.choose(dice, "sans", size)
    for name in dice.shuffled(fonts.words("places"))[: 1 + sheet.width * sheet.height // 16000]:
        i, j = dice.between(-5, 5), dice.between(-4, 4)
        upright = dice.chance(0.5)
        x, y = at((i + 0.5) * pitch if upright else i * pitch, j * pitch if upright else (j + 0.5) * pitch)
        slope = -np.rad2deg(turn) + (0 if upright else 90)
        slope = (slope + 90) % 180 - 90
        long = int(font.getlength(name)) + 8
        label = Image.new("RGBA", (long, size * 2), (*look["land"], 0))
        pen = ImageDraw.Draw(label)
        pen.text((long / 2, size), name, look["ink"], font, "mm", stroke_width=2, stroke_fill=look["land"])
        label = label.rotate(float(slope), Image.Resampling.BICUBIC, expand=True)
        sheet.paste(label, (int(x - label.width / 2), int(y - label.height / 2)), label)


def _towns(dice: Dice, canvas: Canvas, sea: np.ndarray) -> None:
    """Names beside dots on land, apart from each other."""
    size, ink = dice.pick((9, 10, 12)), (20, 20, 20)
    font, capital = fonts.choose(dice, "sans", size), fonts.choose(dice, "bold", size + 2)
    names = dice.shuffled(fonts.words("towns"))
    taken: list[tuple[int, int]] = []
    for _ in range(60):
        x, y = dice.between(4, canvas.width - 5), dice.between(8, canvas.height - 9)
        near = any(abs(x - a) < size * 8 and abs(y - b) < size * 2.4 for a, b in taken)
        if near or len(taken) == len(names) or sea[min(y, canvas.height - 1), min(x, canvas.width - 1)]:
            continue
        great, right = len(taken) % 3 == 0, x > canvas.width - size * 8
        canvas.ellipse((x - 2, y - 2, x + 3, y + 3), (200, 30, 30) if great else ink, ink)
        name = names[len(taken)]
        at, anchor = ((x - 6, y), "rm") if right else ((x + 6, y), "lm")
        canvas.text(at, name.upper() if great else name, capital if great else font, ink, anchor)
        taken.append((x, y))
