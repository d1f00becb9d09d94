"""Thin lines with labels: tables and flow charts."""

from __future__ import annotations

from itertools import pairwise

from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas, Point
from srcli.drawing.colours import BLACK, WHITE, Colour, luma, mix, scheme
from srcli.drawing.dice import Dice


def table(dice: Dice, width: int, height: int) -> Image.Image:
    """Rows and columns with one-pixel rules, a header, at times every second row shaded. Mode L or RGB."""
    grey = dice.chance(0.4)
    colours = scheme(dice, dark=0.15, vivid=0)
    canvas = Canvas(width, height, 255 if grey else colours.paper, smooth=False, mode="L" if grey else "RGB")
    canvas.crisp = dice.chance(0.25)
    ink, shade = (0, 232) if grey else (colours.ink, colours.accents[0])
    faint = 170 if grey else colours.faint
    size = dice.pick((8, 9, 10, 11, 13))
    font, head = (
        fonts.choose(dice, dice.pick(("sans", "sans", "serif", "mono")), size),
        fonts.choose(dice, "bold", size),
    )
    tall, margin = round(size * dice.uniform(1.5, 2.1)), dice.pick((0, 8, 16)) if width > 60 else 0
    edges = [margin]
    while edges[-1] < width - margin - size * 4:
        edges.append(min(edges[-1] + round(size * dice.uniform(4, 9)), width - margin))
    edges = [*edges[:-1], width - margin] if len(edges) > 1 else [0, width]
    striped, boxed = dice.chance(0.4), dice.chance(0.6)
    rows = max(1, (height - margin * 2) // tall)
    for row in range(rows + 1):
        y = margin + row * tall
        if row == 0 and (striped or dice.chance(0.5)):
            canvas.box((margin, y, width - margin, y + tall), shade)
        elif striped and row % 2 == 0 and row < rows:
            canvas.box((margin, y, width - margin, y + tall), 244 if grey else _tint(colours.paper, colours.ink))
        if boxed or row in (0, 1, rows):
            canvas.box((margin, y, width - margin, y + 1), ink if row in (0, 1, rows) else faint)
        for left, right in pairwise(edges):
            if row < rows:
                numeric = (left * 7 + right) % 3 > 0
                label = dice.pick(fonts.words("columns")) if row == 0 else _cell(dice, numeric)
                face = head if row == 0 else font
                at, anchor = ((right - 4, y + tall / 2), "rm") if numeric else ((left + 4, y + tall / 2), "lm")
                if face.getlength(label) < right - left - 6:
                    canvas.text(at, label, face, ink, anchor)
    if boxed:
        for x in edges:
            canvas.box((min(x, width - 1), margin, min(x, width - 1) + 1, margin + rows * tall), ink)
    return canvas.image()


def diagram(dice: Dice, width: int, height: int) -> Image.Image:
    """Boxes, rhombs and drums joined by arrows, on a grid."""
    colours = scheme(dice, dark=0.15, vivid=0.05)
    canvas = Canvas(width, height, colours.paper, smooth=dice.chance(0.8))
    columns, rows = max(1, width // 130), max(1, height // 80)
    cell = (width / columns, height / rows)
    font = fonts.choose(dice, dice.pick(("sans", "sans", "serif", "mono")), 10 if cell[0] > 90 else 7)
    names = dice.shuffled(fonts.words("steps"))
    filled = dice.chance(0.6)
    half = (cell[0] * 0.32, cell[1] * 0.26)
    centres = {(c, r): ((c + 0.5) * cell[0], (r + 0.5) * cell[1]) for c in range(columns) for r in range(rows)}
    for (c, r), (x, y) in centres.items():
        if (c, r + 1) in centres and dice.chance(0.8):
            _arrow(canvas, (x, y + half[1]), (x, centres[c, r + 1][1] - half[1]), colours.ink)
        if (c + 1, r) in centres and dice.chance(0.6):
            _arrow(canvas, (x + half[0], y), (centres[c + 1, r][0] - half[0], y), colours.ink)
            if dice.chance(0.4):
                canvas.text((x + cell[0] / 2, y - 2), dice.pick(("yes", "no", "1", "n")), font, colours.ink, "mb")
    for n, (x, y) in enumerate(centres.values()):
        fill = colours.accents[n % 3] if filled else colours.paper
        ink = _readable(fill) if filled else colours.ink
        box = (x - half[0], y - half[1], x + half[0], y + half[1])
        shape = dice.pick(("box", "box", "round", "rhomb", "oval"))
        if shape == "rhomb":
            corners = [(x, box[1]), (box[2], y), (x, box[3]), (box[0], y)]
            canvas.polygon(corners, fill, colours.ink, 1)
        elif shape == "oval":
            canvas.ellipse(box, fill, colours.ink, 1)
        else:
            canvas.box(box, fill, colours.ink, 1, radius=8 if shape == "round" else 0)
        canvas.text((x, y), names[n % len(names)], font, ink, "mm")
    return canvas.image()


def _cell(dice: Dice, numeric: bool) -> str:
    if not numeric:
        return dice.pick(fonts.words("cells"))
    return dice.pick((f"{dice.uniform(0, 100):.2f}", f"{dice.between(1, 9999):,}", f"{dice.uniform(-9, 9):.1f}", "-"))


def _tint(paper: Colour, ink: Colour) -> Colour:
    return mix(paper, ink, 0.07)


def _readable(fill: Colour) -> Colour:
    return BLACK if luma(fill) > 140 else WHITE


def _arrow(canvas: Canvas, start: Point, end: Point, ink: Colour) -> None:
    """Along an axis, with a head at its end."""
    canvas.line([start, end], ink)
    dx, dy = end[0] - start[0], end[1] - start[1]
    if dx + dy < 5:
        return
    head = [(-6, -3), (-6, 3)] if dx > dy else [(-3, -6), (3, -6)]
    canvas.polygon([end, *((end[0] + x, end[1] + y) for x, y in head)], ink)
