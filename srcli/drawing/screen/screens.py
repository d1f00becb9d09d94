"""Screens: a window on a desktop."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing.canvas import Canvas
from srcli.drawing.colours import hsv, mix
from srcli.drawing.dice import Dice
from srcli.drawing.scenes import scene
from srcli.drawing.screen import panes
from srcli.drawing.screen.icons import draw_icon
from srcli.drawing.screen.windows import choose_look, frame, menu, title


def screen(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode RGB. One window on a desktop, or as large as the screen."""
    look = choose_look(dice)
    canvas = Canvas(
        width, height, hsv(dice.uniform(0.4, 0.7), dice.uniform(0.2, 0.8), dice.uniform(0.2, 0.7)), smooth=False
    )
    canvas.crisp = look.style == "old" and dice.chance(0.7)
    if dice.chance(0.3) and look.style != "old":
        canvas.sheet.paste(Image.fromarray((scene(dice, width, height) * 255).astype(np.uint8)))
    inset = 0 if min(width, height) < 120 or dice.chance(0.4) else dice.between(8, min(width, height) // 10)
    left, top, right, bottom = inset, inset, width - inset, height - inset
    icons: list[tuple[int, int, int]] = []
    frame(canvas, look, (left, top, right, bottom))
    top = title(dice, canvas, look, (left, top, right))
    top = menu(canvas, look, (left, top, right), dice.between(4, 8))
    if dice.chance(0.6):
        icons += [(left + 6 + 26 * n, top + 4, 16) for n in range(min(9, (right - left) // 30))]
        canvas.box((left + 2, top, right - 2, top + 24), look.bar)
        top += 24
    area = (left + 3, top, right - 3, bottom - 3)
    fill = dice.turn((panes.code, panes.form, panes.document, panes.terminal, panes.files))
    canvas.box(area, look.ground)
    icons += fill(dice, canvas, look, area)
    sheet = canvas.image()
    for x, y, side in icons:
        if x + side <= width and y + side <= height:
            picture = draw_icon(dice, side, mix(look.accent, hsv(dice.uniform(0, 1), 0.8, 0.8), 0.6))
            sheet.paste(picture, (x, y), picture)
    return sheet
