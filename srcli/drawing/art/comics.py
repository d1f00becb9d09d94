"""Comic pages: panels of flat colours with black outlines, people, balloons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Box, Canvas, smooth_curve
from srcli.drawing.colours import BLACK, WHITE, Colour, hsv, luma
from srcli.drawing.dice import Dice

Tint = Callable[[Colour], Colour]  # keeps colours or makes them grey
SKINS = ((255, 224, 196), (241, 194, 150), (198, 134, 88), (141, 85, 54), (255, 205, 170))
GREY_SKINS = ((255, 255, 255), (235, 235, 235), (200, 200, 200))


def comic(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode RGB in colour, L as a black-and-white strip."""
    grey = dice.chance(0.25)
    gutter = max(2, min(width, height) // 40)
    page = Image.new("RGB", (width, height), "white")
    rows = 1 if height < 120 else dice.pick((1, 2, 2))
    tops = np.linspace(gutter, height, rows + 1).astype(int)
    for top, bottom in pairwise(tops):
        count = 1 if width < 120 else dice.between(1, 3)
        cuts = [0.0, *sorted(n / count + dice.uniform(-0.1, 0.1) for n in range(1, count)), 1.0]
        edges = [round(gutter + cut * (width - gutter)) for cut in cuts]
        for left, right in pairwise(edges):
            if right - left > gutter + 4 and bottom - top > gutter + 4:
                page.paste(_panel(dice, right - left - gutter, int(bottom - top) - gutter, grey), (left, int(top)))
    return page.convert("L") if grey else page


def _panel(dice: Dice, width: int, height: int, grey: bool) -> Image.Image:
    paint = _greyed if grey else _kept
    canvas = Canvas(width, height, paint(hsv(dice.uniform(0, 1), dice.uniform(0.15, 0.7), dice.uniform(0.7, 1))))
    pen = max(1.0, min(width, height) / 110)
    dice.pick((_burst, _hills, _skyline, _room, _dotted))(dice, canvas, paint, pen)
    people = 1 if width < height * 1.1 else 2
    for n in range(people):
        x = width * (0.5 if people == 1 else 0.28 + 0.44 * n) + dice.uniform(-0.06, 0.06) * width
        _person(dice, canvas, (x, height * dice.uniform(0.52, 0.62)), height * dice.uniform(0.15, 0.2), (paint, pen))
    if dice.chance(0.8):
        _balloon(dice, canvas, (0.03 if dice.chance(0.5) else 0.5) * width, pen)
    canvas.box((0, 0, width, height), None, BLACK, max(1, round(pen * 1.5)))
    return canvas.image()


def _person(dice: Dice, canvas: Canvas, head: tuple[float, float], r: float, look: tuple[Tint, float]) -> None:
    """r: radius of the head. look: function of colours, thickness of outlines."""
    paint, pen = look
    x, y = head
    skin = dice.pick(GREY_SKINS if paint is _greyed else SKINS)
    hair = paint(hsv(dice.uniform(0, 1), dice.uniform(0.2, 0.9), dice.pick((0.15, 0.35, 0.8))))
    shirt = paint(hsv(dice.uniform(0, 1), dice.uniform(0.5, 1), dice.uniform(0.5, 1)))
    bottom = canvas.height + r
    body = [(x - r * 0.4, y + r), (x - r * 1.5, y + r * 1.6), (x - r * 1.8, bottom), (x + r * 1.8, bottom)]
    canvas.polygon(smooth_curve([*body, (x + r * 1.5, y + r * 1.6), (x + r * 0.4, y + r)], 8), shirt, BLACK, pen)
    canvas.box((x - r * 0.3, y + r * 0.6, x + r * 0.3, y + r * 1.25), skin, BLACK, pen, radius=r * 0.15)
    canvas.ellipse((x - r * 0.85, y - r, x + r * 0.85, y + r), skin, BLACK, pen)
    long = dice.chance(0.4)
    turns = np.linspace(np.pi * (0.85 if long else 1.0), np.pi * (2.15 if long else 2.0), 9)
    spikes = dice.pick((1.05, 1.05, 1.25))
    outer = [
        (x + r * np.cos(a) * (spikes if n % 2 else 1.02), y - r * 0.1 + r * np.sin(a) * (spikes if n % 2 else 1.1))
        for n, a in enumerate(turns)
    ]
    fringe = [(x + r * 0.6, y - r * 0.35), (x + r * 0.1, y - r * dice.uniform(0.3, 0.6)), (x - r * 0.6, y - r * 0.3)]
    canvas.polygon([*outer, *fringe], hair, BLACK, pen)
    gaze = dice.uniform(-0.1, 0.1) * r
    for side in (-1, 1):
        eye = (x + side * r * 0.34, y - r * 0.02)
        canvas.ellipse((eye[0] - r * 0.2, eye[1] - r * 0.22, eye[0] + r * 0.2, eye[1] + r * 0.22), WHITE, BLACK, pen)
        canvas.circle((eye[0] + gaze, eye[1]), r * 0.09, BLACK)
        tilt = dice.uniform(-0.12, 0.12) * r
        canvas.line(
            [(eye[0] - r * 0.22, eye[1] - r * 0.32 + tilt), (eye[0] + r * 0.22, eye[1] - r * 0.32)], BLACK, pen * 1.5
        )
    canvas.line(
        smooth_curve([(x, y + r * 0.1), (x + r * 0.12, y + r * 0.32), (x - r * 0.02, y + r * 0.34)], 6), BLACK, pen
    )
    mouth = (x - r * 0.35, y + r * 0.3, x + r * 0.35, y + r * 0.75)
    if dice.chance(0.4):
        canvas.slice(mouth, 0, 180, paint((170, 30, 40)), BLACK, pen)
    else:
        canvas.arc(mouth, 20, 160, BLACK, pen)


def _balloon(dice: Dice, canvas: Canvas, left: float, pen: float) -> None:
    """Upper case on white, with a tail that points down."""
    lines = dice.pick(fonts.words("speech")).split("\n")
    size = max(7, min(round(canvas.height / 12), round(canvas.width / 15)))
    font = fonts.choose(dice, dice.pick(("bold", "italic", "sans")), size)
    wide, tall = max(font.getlength(line) for line in lines) + size * 2, (len(lines) * 1.2 + 1) * size
    left, top = max(2.0, min(left, canvas.width - wide - 3)), canvas.height * 0.04
    x, y = left + wide / 2, top + tall / 2
    tail = [(x - size * 0.5, y), (x + size * dice.uniform(-1, 2), top + tall + size * 1.2), (x + size * 0.7, y)]
    box: Box = (left, top, left + wide, top + tall)
    canvas.polygon(tail, WHITE, BLACK, pen)
    if dice.chance(0.7):
        canvas.ellipse(box, WHITE, BLACK, pen)
    else:
        canvas.box(box, WHITE, BLACK, pen, radius=size * 0.8)
    inner = [(tail[0][0] + pen, y), (tail[1][0], tail[1][1] - 2.5 * pen), (tail[2][0] - pen, y)]
    canvas.polygon(inner, WHITE)
    for n, line in enumerate(lines):
        canvas.text((x, y + (n - (len(lines) - 1) / 2) * size * 1.2), line, font, BLACK, "mm")


def _burst(dice: Dice, canvas: Canvas, paint: Tint, pen: float) -> None:
    x, y = canvas.width / 2, canvas.height * 0.55
    reach, rays = canvas.width + canvas.height, dice.between(8, 16)
    colour = paint(hsv(dice.pick((0.12, 0.0, 0.55)), dice.uniform(0.3, 0.9), 1))
    for n in range(rays):
        angles = np.array([n, n + 0.5]) * 2 * np.pi / rays
        canvas.polygon([(x, y), *((x + reach * np.cos(a), y + reach * np.sin(a)) for a in angles)], colour)


def _hills(dice: Dice, canvas: Canvas, paint: Tint, pen: float) -> None:
    canvas.circle(
        (canvas.width * dice.uniform(0.1, 0.9), canvas.height * 0.2),
        canvas.height * 0.1,
        paint((255, 235, 90)),
        BLACK,
        pen,
    )
    for n in range(3):
        level = canvas.height * (0.5 + 0.15 * n)
        knots = [(canvas.width * t, level + dice.uniform(-0.1, 0.1) * canvas.height) for t in np.linspace(-0.1, 1.1, 6)]
        colour = paint(hsv(dice.uniform(0.22, 0.4), 0.6, 0.9 - 0.2 * n))
        edge = smooth_curve(knots, 10)
        canvas.polygon([*edge, (canvas.width * 1.1, canvas.height), (-5, canvas.height)], colour)
        canvas.line(edge, BLACK, pen)


def _skyline(dice: Dice, canvas: Canvas, paint: Tint, pen: float) -> None:
    left = 0.0
    while left < canvas.width:
        wide, top = canvas.width * dice.uniform(0.1, 0.22), canvas.height * dice.uniform(0.15, 0.6)
        canvas.box((left, top, left + wide, canvas.height), paint(hsv(dice.uniform(0.5, 0.8), 0.4, 0.6)), BLACK, pen)
        cell = max(4.0, wide / 4)
        for x in np.arange(left + cell * 0.6, left + wide - cell * 0.6, cell):
            for y in np.arange(top + cell * 0.6, canvas.height, cell * 1.4):
                canvas.box(
                    (x, y, x + cell * 0.5, y + cell * 0.7), paint((255, 240, 150)) if dice.chance(0.6) else BLACK
                )
        left += wide


def _room(dice: Dice, canvas: Canvas, paint: Tint, pen: float) -> None:
    floor = canvas.height * 0.72
    canvas.box((0, floor, canvas.width, canvas.height), paint(hsv(0.08, 0.5, 0.6)))
    canvas.line([(0, floor), (canvas.width, floor)], BLACK, pen)
    x, wide = canvas.width * dice.uniform(0.1, 0.6), canvas.width * 0.3
    pane = (x, canvas.height * 0.15, x + wide, canvas.height * 0.5)
    canvas.box(pane, paint((150, 210, 255)), BLACK, pen * 1.5)
    canvas.line([(x + wide / 2, pane[1]), (x + wide / 2, pane[3])], BLACK, pen)
    canvas.line([(x, (pane[1] + pane[3]) / 2), (x + wide, (pane[1] + pane[3]) / 2)], BLACK, pen)


def _dotted(dice: Dice, canvas: Canvas, paint: Tint, pen: float) -> None:
    """Screen dots that fade from the bottom up."""
    pitch, colour = dice.uniform(5, 9), paint(hsv(dice.uniform(0, 1), 0.7, 0.85))
    for row, y in enumerate(np.arange(0, canvas.height, pitch / 2)):
        radius = pitch * 0.5 * (y / canvas.height) ** 0.7
        for x in np.arange((row % 2) * pitch / 2, canvas.width, pitch):
            canvas.circle((x, y), radius, colour)


def _kept(colour: Colour) -> Colour:
    return colour


def _greyed(colour: Colour) -> Colour:
    """To one of four greys."""
    value = round(luma(colour) / 85) * 85
    return value, value, value
