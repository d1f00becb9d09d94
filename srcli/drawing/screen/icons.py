"""Small icons on transparent ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from srcli.drawing.canvas import Canvas, Point
from srcli.drawing.colours import BLACK, Colour, mix, scheme
from srcli.drawing.dice import Dice

Rgba = tuple[int, int, int, int]
Place = Callable[[Sequence[Point] | np.ndarray], np.ndarray]  # from the unit square to pixels
Glyph = Callable[[Canvas, Place, Rgba, Rgba, float], None]  # with fill, edge and width of lines
CLEAR: Rgba = (0, 0, 0, 0)


def icon(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode RGBA: one icon up to 64 pixels a side, or a sheet of icons of 16 to 64 pixels."""
    colours = scheme(dice, dark=0, vivid=0)
    glyphs = dice.shuffled(GLYPHS)
    style = dice.turn(("flat", "tile", "outline"))
    sheet = Image.new("RGBA", (width, height), CLEAR)
    if min(width, height) <= 64:
        side, step = min(width, height), min(width, height)
    else:
        side = dice.pick((16, 24, 32, 48, 64))
        step = side + max(4, side // 4)
    left, top = (width % step) // 2 if width > step else 0, (height % step) // 2 if height > step else 0
    for n, (y, x) in enumerate(
        (y, x) for y in range(top, height - side + 1, step) for x in range(left, width - side + 1, step)
    ):
        if n and dice.chance(0.05):
            continue
        accents = colours.accents[n % 6], colours.accents[(n + 1) % 6]
        sheet.alpha_composite(_icon(glyphs[(n + n // 12 * 5) % len(glyphs)], side, style, accents), (x, y))
    return sheet


def _icon(glyph: Glyph, side: int, style: str, accents: tuple[Colour, Colour]) -> Image.Image:
    """Drawn on a unit square, inset from the icon's edges."""
    canvas = Canvas(side, side, CLEAR, mode="RGBA")
    fill: Rgba = (*accents[0], 255)
    edge: Rgba = (*mix(accents[0], BLACK, 0.55), 255)
    inset = 0.06
    if style == "tile":
        canvas.box((0, 0, side, side), fill, radius=side * 0.2)
        fill, edge, inset = (255, 255, 255, 255), (*mix(accents[0], BLACK, 0.2), 255), 0.2
    if style == "outline":
        fill = CLEAR
    scale = side * (1 - 2 * inset)

    def place(points: Sequence[Point] | np.ndarray) -> np.ndarray:
        return np.asarray(points, float) * scale + side * inset

    pen = max(1.0, side / 18)
    glyph(canvas, place, fill, edge, pen)
    return canvas.image()


def _folder(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    canvas.polygon(place([(0, 0.2), (0.4, 0.2), (0.5, 0.3), (1, 0.3), (1, 0.9), (0, 0.9)]), fill, edge, pen)
    canvas.line(place([(0, 0.42), (1, 0.42)]), edge, pen)


def _document(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    canvas.polygon(place([(0.15, 0), (0.62, 0), (0.85, 0.25), (0.85, 1), (0.15, 1)]), fill, edge, pen)
    for y in (0.4, 0.58, 0.76):
        canvas.line(place([(0.3, y), (0.7, y)]), edge, pen)


def _magnifier(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    (a, b), (c, d) = place([(0.02, 0.02), (0.68, 0.68)])
    canvas.line(place([(0.6, 0.6), (0.95, 0.95)]), edge, pen * 2.2)
    canvas.ellipse((a, b, c, d), fill, edge, pen * 1.3)


def _envelope(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    canvas.polygon(place([(0, 0.18), (1, 0.18), (1, 0.85), (0, 0.85)]), fill, edge, pen)
    canvas.line(place([(0, 0.18), (0.5, 0.58), (1, 0.18)]), edge, pen)


def _house(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    canvas.polygon(place([(0.15, 0.5), (0.85, 0.5), (0.85, 1), (0.15, 1)]), fill, edge, pen)
    canvas.polygon(place([(0.5, 0.02), (1, 0.52), (0, 0.52)]), edge)
    canvas.polygon(place([(0.42, 0.68), (0.6, 0.68), (0.6, 1), (0.42, 1)]), edge)


def _star(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    turns = np.pi * np.arange(10) / 5
    reach = np.where(np.arange(10) % 2, 0.21, 0.5)
    canvas.polygon(place(np.stack([0.5 + reach * np.sin(turns), 0.52 - reach * np.cos(turns)], 1)), fill, edge, pen)


def _heart(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    t = np.linspace(0, 2 * np.pi, 50)
    x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    canvas.polygon(place(np.stack([0.5 + x / 34, 0.47 - y / 34], 1)), fill, edge, pen)


def _gear(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    t = np.linspace(0, 2 * np.pi, 33)[:-1] + np.pi / 16
    reach = np.where(np.arange(32) % 4 < 2, 0.49, 0.37)
    canvas.polygon(place(np.stack([0.5 + reach * np.sin(t), 0.5 + reach * np.cos(t)], 1)), fill, edge, pen)
    (a, b), (c, d) = place([(0.34, 0.34), (0.66, 0.66)])
    canvas.ellipse((a, b, c, d), CLEAR, edge, pen)


def _play(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    (a, b), (c, d) = place([(0, 0), (1, 1)])
    canvas.ellipse((a, b, c, d), fill, edge, pen)
    canvas.polygon(place([(0.38, 0.25), (0.78, 0.5), (0.38, 0.75)]), edge)


def _lock(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    (a, b), (c, d) = place([(0.25, 0.02), (0.75, 0.8)])
    canvas.arc((a, b, c, d), 180, 360, edge, pen * 1.8)
    canvas.polygon(place([(0.12, 0.42), (0.88, 0.42), (0.88, 1), (0.12, 1)]), fill, edge, pen)
    canvas.line(place([(0.5, 0.62), (0.5, 0.8)]), edge, pen * 1.6)


def _cross(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    (a, b), (c, d) = place([(0, 0), (1, 1)])
    canvas.ellipse((a, b, c, d), fill, edge, pen)
    canvas.line(place([(0.3, 0.3), (0.7, 0.7)]), edge, pen * 2)
    canvas.line(place([(0.3, 0.7), (0.7, 0.3)]), edge, pen * 2)


def _picture(canvas: Canvas, place: Place, fill: Rgba, edge: Rgba, pen: float) -> None:
    canvas.polygon(place([(0, 0.12), (1, 0.12), (1, 0.88), (0, 0.88)]), fill, edge, pen)
    canvas.polygon(place([(0.1, 0.8), (0.4, 0.4), (0.6, 0.65), (0.72, 0.55), (0.9, 0.8)]), edge)


GLYPHS = (_folder, _document, _magnifier, _envelope, _house, _star, _heart, _gear, _play, _lock, _cross, _picture)


def draw_icon(dice: Dice, side: int, colour: Colour) -> Image.Image:
    """One flat icon in a colour. RGBA."""
    return _icon(dice.pick(GLYPHS), side, "flat", (colour, colour))
