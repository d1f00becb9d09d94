"""The look of a desktop, and the frame, title and menu of a window."""

from __future__ import annotations

from dataclasses import dataclass

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas
from srcli.drawing.colours import WHITE, Colour, hsv, mix
from srcli.drawing.dice import Dice

Area = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Colours and letters of a desktop."""

    ground: Colour
    text: Colour
    bar: Colour
    bar_text: Colour
    accent: Colour
    font: fonts.Font
    style: str  # old, dots or flat


def choose_look(dice: Dice) -> Look:
    style = dice.pick(("old", "dots", "flat", "flat"))
    dark = style != "old" and dice.chance(0.4)
    size = dice.pick((10, 11, 12, 13))
    ground: Colour = dice.pick(((30, 30, 30), (40, 42, 54), (13, 17, 23))) if dark else WHITE
    bar: Colour = (192, 192, 192) if style == "old" else mix(ground, (128, 128, 140), 0.15 if dark else 0.2)
    accent: Colour = (0, 0, 128) if style == "old" else hsv(dice.uniform(0.5, 0.75), 0.75, 0.85)
    text = (225, 225, 225) if dark else (20, 20, 20)
    font = fonts.choose(dice, "sans", size)
    return Look(ground=ground, text=text, bar=bar, bar_text=text, accent=accent, font=font, style=style)


def frame(canvas: Canvas, look: Look, box: tuple[int, int, int, int]) -> None:
    if look.style == "old":
        bevel(canvas, box, look.bar, raised=True)
    else:
        canvas.box(box, look.bar, mix(look.bar, look.text, 0.4), radius=7 if look.style == "dots" else 0)


def bevel(canvas: Canvas, box: tuple[int, int, int, int], face: Colour, *, raised: bool) -> None:
    """Light from the top left, as windows of the nineties had it."""
    left, top, right, bottom = box
    light, shade = ((255, 255, 255), (96, 96, 96)) if raised else ((96, 96, 96), (255, 255, 255))
    canvas.box(box, shade)
    canvas.box((left, top, right - 1, bottom - 1), light)
    canvas.box((left + 1, top + 1, right - 1, bottom - 1), face)


def field(canvas: Canvas, look: Look, box: tuple[int, int, int, int]) -> None:
    if look.style == "old":
        bevel(canvas, box, WHITE, raised=False)
    else:
        canvas.box(box, look.ground, mix(look.bar, look.text, 0.35), radius=3)


def title(dice: Dice, canvas: Canvas, look: Look, edge: tuple[int, int, int]) -> int:
    """The title bar. Returns where it ends."""
    left, top, right = edge
    tall = round(look.font.size * 1.8)
    name = f"{dice.pick(fonts.words('documents'))} - {dice.pick(fonts.words('firms'))}"
    middle = top + 3 + tall / 2
    if look.style == "dots":
        for n, colour in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
            canvas.circle((left + 12 + 16 * n, round(middle)), 5, colour)
        canvas.text(((left + right) / 2, middle), name, look.font, look.bar_text, "mm")
        return top + tall + 4
    old = look.style == "old"
    ground = look.accent if old or dice.chance(0.4) else look.bar
    canvas.box((left + 3, top + 3, right - 3, top + 3 + tall), ground)
    canvas.text((left + 8, middle), name, look.font, WHITE if ground == look.accent else look.bar_text, "lm")
    for n, mark in enumerate("x+-"):
        x = right - 6 - (tall if not old else tall - 2) * (n + 1)
        if old:
            bevel(canvas, (x, top + 5, x + tall - 4, top + 1 + tall), look.bar, raised=True)
        at = (x + tall / 2 - 2, middle)
        canvas.text(at, mark, look.font, look.text if old or ground == look.bar else WHITE, "mm")
    return top + tall + 4


def menu(canvas: Canvas, look: Look, edge: tuple[int, int, int], count: int) -> int:
    left, top, right = edge
    tall, x = round(look.font.size * 1.6), left + 8.0
    for name in fonts.words("menus")[:count]:
        if x + look.font.getlength(name) > right - 4:
            break
        canvas.text((round(x), top + tall / 2), name, look.font, look.bar_text, "lm")
        x += look.font.getlength(name) + look.font.size
    return top + tall
