"""Logos with a name on transparent ground."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas, Point, smooth_curve
from srcli.drawing.colours import BLACK, WHITE, Colour, mix, scheme
from srcli.drawing.dice import Dice

CLEAR = (0, 0, 0, 0)
Parts = tuple[Colour, Colour, str]  # two colours and the firm's name


def logo(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode RGBA: an emblem beside, above or without a name; at times with a gradient and a soft shadow."""
    colours = scheme(dice, dark=0.2, vivid=0)
    first, second = colours.accents[:2]
    firm = dice.pick(fonts.words("firms"))
    beside = width > height * 1.2 and dice.chance(0.7)
    emblem = min(height * 0.7, width * 0.36) if beside else min(height * 0.55, width * 0.6)
    middle = (width * 0.05 + emblem / 2, height / 2) if beside else (width / 2, height * 0.06 + emblem / 2)
    canvas = Canvas(width, height, CLEAR, mode="RGBA")
    draw = dice.turn((_monogram, _petals, _peaks, _rings, _shield, _wave, _hexagon))
    draw(dice, canvas, middle, emblem / 2, (first, second, firm))
    room = (width * 0.9 - emblem, height * 0.45) if beside else (width * 0.9, height * 0.26)
    trial = fonts.choose(dice, "poster", 50)
    size = max(4, int(50 * min(room[0] / max(trial.getlength(firm), 1), room[1] / 50)))
    lettering = fonts.choose(dice, dice.pick(("poster", "sans", "serif", "bold")), max(4, size * 9 // 10))
    at = (middle[0] + emblem * 0.62, height / 2) if beside else (width / 2, height * 0.8)
    canvas.text(at, firm, lettering, (*colours.ink, 255), "lm" if beside else "mm")
    mark = canvas.image()
    if dice.chance(0.4):
        mark = _shaded(mark, dice)
    return _with_shadow(mark) if dice.chance(0.3) else mark


def _rings(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    count = dice.between(2, 4)
    for n in range(count):
        turn = 2 * np.pi * n / count
        centre = (at[0] + r * 0.42 * np.cos(turn), at[1] + r * 0.42 * np.sin(turn))
        canvas.circle(centre, r * 0.55, None, (*parts[n % 2], 255), r * 0.14)


def _petals(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    count = dice.between(5, 9)
    for n in range(count):
        turn = 2 * np.pi * n / count
        knots = [(0, 0), (r * 0.5, r * 0.25), (r, 0), (r * 0.5, -r * 0.25), (0, 0)]
        petal = smooth_curve(knots, 10) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        canvas.polygon(petal + at, (*mix(parts[0], parts[1], n / count), 255))


def _shield(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    x, y = at
    side = [(x, y - r), (x + r * 0.8, y - r * 0.75), (x + r * 0.75, y + r * 0.2), (x, y + r)]
    outline = smooth_curve(side[1:], 12)
    mirrored = outline[::-1] * (-1, 1) + (2 * x, 0)
    canvas.polygon([side[0], *outline, *mirrored], (*parts[0], 255))
    canvas.polygon([side[0], *outline], (*mix(parts[0], BLACK, 0.2), 255))
    points = [
        (x + r * (0.5, 0.2)[n % 2] * np.sin(np.pi * n / 5), y - r * (0.5, 0.2)[n % 2] * np.cos(np.pi * n / 5))
        for n in range(10)
    ]
    canvas.polygon(points, (255, 255, 255, 255))


def _hexagon(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    corners = [(at[0] + r * np.sin(np.pi * n / 3), at[1] - r * np.cos(np.pi * n / 3)) for n in range(6)]
    shades = (parts[0], mix(parts[0], WHITE, 0.35), mix(parts[0], BLACK, 0.3))
    for n, shade in zip((0, 2, 4), shades, strict=True):
        canvas.polygon([at, corners[n - 1], corners[n], corners[(n + 1) % 6]], (*shade, 255))


def _wave(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    canvas.circle(at, r, (*parts[0], 255))
    for n in range(3):
        x = np.linspace(-1, 1, 40)
        y = 0.1 + 0.25 * n + 0.13 * np.sin(3.5 * x + n)
        reach = np.sqrt(np.clip(0.98 - y**2, 0, 1))
        path = np.stack([at[0] + x * reach * r, at[1] + y * r], 1)
        canvas.line(path, (255, 255, 255, 255), r * 0.09)


def _monogram(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    ground = (*parts[0], 255)
    if dice.chance(0.5):
        canvas.circle(at, r, ground)
        canvas.circle(at, r * 0.9, None, (255, 255, 255, 255), r * 0.05)
    else:
        canvas.box((at[0] - r, at[1] - r, at[0] + r, at[1] + r), ground, radius=r * dice.uniform(0, 0.45))
    canvas.text(at, parts[2][0].upper(), fonts.choose(dice, "poster", int(r * 1.2)), (255, 255, 255, 255), "mm")


def _peaks(dice: Dice, canvas: Canvas, at: Point, r: float, parts: Parts) -> None:
    x, y = at
    canvas.circle((x + r * 0.4, y - r * 0.5), r * 0.25, (*parts[1], 255))
    for shift, tall, colour in ((0.35, 0.9, mix(parts[0], WHITE, 0.3)), (-0.25, 1.5, parts[0])):
        tip = (x + shift * r, y + r * 0.8 - tall * r)
        foot = r * 0.55 * tall
        canvas.polygon([tip, (tip[0] + foot, y + r * 0.8), (tip[0] - foot, y + r * 0.8)], (*colour, 255))


def _shaded(mark: Image.Image, dice: Dice) -> Image.Image:
    """Lighter at the top, darker at the bottom; alpha as it is."""
    values = np.asarray(mark).astype(float)
    values[..., :3] *= np.linspace(1.25, dice.uniform(0.5, 0.8), mark.height)[:, None, None]
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _with_shadow(mark: Image.Image) -> Image.Image:
    blur = max(1, mark.height // 60)
    cast = Image.new("L", mark.size)
    cast.paste(mark.getchannel("A").point(lambda a: a // 2), (blur, 2 * blur))
    ground = Image.new("RGBA", mark.size, CLEAR)
    ground.putalpha(cast.filter(ImageFilter.GaussianBlur(blur)))
    ground.alpha_composite(mark)
    return ground
