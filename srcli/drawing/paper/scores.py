"""Sheet music."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas, Point, smooth_curve
from srcli.drawing.dice import Dice

# A treble clef as a curve; x to the right and y up in gaps between lines, 0 at the line of g.
CLEF = (
    (0.1, -0.1), (0.5, 0.3), (0.2, 0.8), (-0.6, 0.6), (-0.9, -0.3), (-0.2, -1.0), (0.8, -0.8), (1.1, 0.1), (0.6, 1.0),
    (-0.4, 1.2), (-0.9, 2.0), (-0.2, 3.2), (0.4, 4.2), (0.3, 5.0), (-0.1, 4.6), (-0.1, 3.6), (0.3, 1.0), (0.6, -1.6),
    (0.2, -2.4), (-0.4, -2.1),
)  # fmt: skip


def music(dice: Dice, width: int, height: int) -> Image.Image:
    """Staves with clefs, bars, beamed notes, rests and slurs. Mode L."""
    paper, ink = (255, 0) if dice.chance(0.8) else (240, 30)
    canvas = Canvas(width, height, paper, mode="L")
    gap = dice.pick((5, 6, 7, 8))
    margin = min(width // 20, 20)
    top = float(gap * 4)
    if height > 150:
        title = dice.pick(("Andante", "Waltz", "Prelude in C", "Allegro", "Song"))
        canvas.text((width / 2, gap), title, fonts.choose(dice, "serif", gap * 2), ink, "ma")
        top += gap * 2
    sharps = (0, 1.5, -0.5)[: dice.between(0, 3)]
    while top < height:
        for line in range(5):
            canvas.box((margin, top + line * gap, width - margin, top + line * gap + 1), ink)
        for edge in (margin, width - margin - 1):
            canvas.box((edge, top, edge + 1, top + 4 * gap + 1), ink)
        _clef(canvas, (margin + gap * 1.8, top + 3 * gap), gap, ink)
        for n, level in enumerate(sharps):
            canvas.text((margin + gap * (3.6 + n), top + gap * level), "#", fonts.load("", gap * 2), ink, "mm")
        x = margin + gap * 7.5
        while x < width - margin - gap * 3:
            x = _notes(dice, canvas, (x, top), gap, ink, width - margin - x)
            if dice.chance(0.35) and x < width - margin - gap * 3:
                canvas.box((round(x), top, round(x) + 1, top + 4 * gap + 1), ink)
                x += gap * 1.5
        top += gap * dice.between(9, 11)
    return canvas.image()


def _clef(canvas: Canvas, at: Point, gap: int, ink: int) -> None:
    path = np.array(CLEF) * (gap, -gap) + at
    curve = smooth_curve(path, 8)
    canvas.line(curve, ink, gap * 0.24)
    canvas.line(curve[40:80], ink, gap * 0.4)
    canvas.circle((float(path[-1][0]), float(path[-1][1])), gap * 0.35, ink)


def _notes(dice: Dice, canvas: Canvas, at: Point, gap: int, ink: int, room: float) -> float:
    """Up to four notes, beamed if there are several; a rest; or a half note. Returns where the next begins."""
    x, top = at
    spacing = gap * dice.uniform(2.0, 2.6)
    count = dice.pick([n for n in (1, 1, 2, 2, 4) if n == 1 or n * spacing < room])
    if count == 1 and dice.chance(0.2):
        canvas.box((x, top + 1.5 * gap, x + gap * 1.2, top + 2 * gap), ink)
        return x + gap * 3
    level = dice.between(-1, 9)
    places = []
    for n in range(count):
        level = min(10, max(-2, level + dice.between(-2, 2)))
        places.append((x + n * spacing, top + 4 * gap - level * gap / 2))
    hollow = count == 1 and dice.chance(0.35)
    for place in places:
        _head(canvas, place, gap, ink, hollow)
        _ledgers(canvas, place, top, gap, ink)
    up = sum(y for _, y in places) / count > top + 2 * gap
    side = gap * (0.6 if up else -0.6)
    far = (min if up else max)(y for _, y in places) + (-3.3 if up else 3.3) * gap
    tilt = float(np.clip(places[-1][1] - places[0][1], -gap, gap)) / 2
    tips = [(px + side, far + tilt * (n / max(count - 1, 1) - 0.5)) for n, (px, _) in enumerate(places)]
    for (_, y), tip in zip(places, tips, strict=True):
        canvas.line([(tip[0], y), tip], ink, max(1, gap * 0.16))
    if count > 1:
        for beam in range(2 if count == 4 else 1):
            shift = beam * gap * 0.75 * (1 if up else -1)
            canvas.line([(tips[0][0], tips[0][1] + shift), (tips[-1][0], tips[-1][1] + shift)], ink, gap * 0.48)
    elif not hollow and dice.chance(0.3):
        fall = 1 if up else -1
        flag = [
            tips[0],
            (tips[0][0] + gap * 0.8, tips[0][1] + fall * gap),
            (tips[0][0] + gap * 0.7, tips[0][1] + fall * gap * 2),
        ]
        canvas.line(smooth_curve(flag, 6), ink, gap * 0.22)
    return x + count * spacing + gap * 0.8


def _head(canvas: Canvas, at: Point, gap: int, ink: int, hollow: bool) -> None:
    """An ellipse that leans to the right."""
    t = np.linspace(0, 2 * np.pi, 25)
    u, v = np.cos(t) * gap * 0.66, np.sin(t) * gap * 0.44
    path = np.stack([at[0] + u * 0.94 + v * 0.34, at[1] - u * 0.34 + v * 0.94], 1)
    if hollow:
        canvas.line(path, ink, gap * 0.24)
    else:
        canvas.polygon(path, ink)


def _ledgers(canvas: Canvas, at: Point, top: float, gap: int, ink: int) -> None:
    """Short lines above and below the staff."""
    levels = [*np.arange(top - gap, at[1] - 1, -gap), *np.arange(top + 5 * gap, at[1] + 1, gap)]
    for y in levels:
        canvas.box((at[0] - gap, round(y), at[0] + gap, round(y) + 1), ink)
