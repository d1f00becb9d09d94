"""Letters on paper: pages of text, large words, faxes."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas
from srcli.drawing.colours import BLACK, WHITE, hsv, scheme
from srcli.drawing.dice import Dice

SIGNS = (
    ((220, 0, 0), WHITE),
    (WHITE, (220, 0, 0)),
    (BLACK, (255, 210, 0)),
    (WHITE, (0, 70, 160)),
    (WHITE, (0, 110, 60)),
    (BLACK, WHITE),
    ((255, 220, 0), (200, 20, 20)),
    ((0, 255, 120), (10, 10, 10)),
)  # letters, ground

NAMED = {"RED": (220, 0, 0), "BLUE": (40, 80, 255), "GREEN": (0, 160, 60)}  # words in the colour that they name


def text(dice: Dice, width: int, height: int) -> Image.Image:
    """A page in one script: a heading at times, paragraphs, one or two columns. Antialiased or not."""
    colours = scheme(dice, vivid=0.05)
    plain = dice.chance(0.4)
    mode = "L" if plain else "RGB"
    paper, ink = (colours.paper, colours.ink) if not plain else dice.pick(((255, 0), (255, 0), (244, 40), (20, 220)))
    canvas = Canvas(width, height, paper, smooth=False, mode=mode, crisp=dice.chance(0.3))
    passage, size = fonts.passage(dice, dice.turn((1.0, 0.0, 0.7))), dice.pick((7, 8, 9, 10, 11, 12, 14, 16, 20, 26))
    size = size if passage.spaced else max(size, 11)
    style = dice.pick(("sans", "sans", "serif", "serif", "italic", "mono"))
    columns = 2 if width > 32 * size and dice.chance(0.4) else 1
    margin, top = min(width // 12, 3 * size), min(height // 14, 2 * size)
    if dice.chance(0.5):
        head = fonts.font_for(dice, passage, "bold", size * 8 // 5)
        accent = ink if plain or dice.chance(0.5) else colours.accents[0]
        title = fonts.lines(dice, passage, head, dice.uniform(0.4, 0.9) * (width - 2 * margin), 1)[0]
        canvas.text((width - margin if passage.leftward else margin, top), title, head, accent, _anchor(passage))
        top += size * 5 // 2
    font = fonts.font_for(dice, passage, style, size)
    gap = 2 * size
    wide = (width - 2 * margin - gap * (columns - 1)) / columns
    for column in range(columns):
        left = margin + column * (wide + gap)
        _column(dice, canvas, passage, font, (left, top, wide), ink)
    return canvas.image()


def word(dice: Dice, width: int, height: int) -> Image.Image:
    """One word that fills the picture, as on a sign: plain, outlined, shadowed or framed."""
    sign, (ink, paper) = dice.turn(fonts.words("signs")), dice.pick(SIGNS)
    if sign in NAMED:
        ink, paper = NAMED[sign], WHITE
    elif dice.chance(0.35):
        colours = scheme(dice, vivid=0.5)
        ink, paper = colours.ink if dice.chance(0.4) else colours.accents[0], colours.paper
    canvas = Canvas(width, height, paper, crisp=dice.chance(0.15))
    style, share = dice.pick(("poster", "poster", "poster", "serif", "script")), dice.uniform(0.6, 0.9)
    font = _filling(dice, sign, style, (width * share, height * 0.75))
    middle = (width / 2, height / 2)
    finish = dice.pick(("plain", "plain", "shadow", "framed", "line"))
    if finish == "framed":
        inset = max(2, min(width, height) // 20)
        canvas.box((inset, inset, width - inset, height - inset), None, ink, max(1, inset / 3), radius=inset * 1.5)
    if finish == "shadow":
        step = max(1, round(font.size / 25))
        shade = hsv(0, 0, 0.5) if sum(paper) > 90 else hsv(0, 0, 0.3)
        canvas.text((middle[0] + step, middle[1] + step), sign, font, shade, "mm")
    if finish == "line":
        under = font.getbbox(sign, anchor="mm")
        base = middle[1] + under[3] + max(2, font.size / 8)
        canvas.box((middle[0] + under[0], base, middle[0] + under[2], base + max(1, font.size / 14)), ink)
    canvas.text(middle, sign, font, ink, "mm")
    return canvas.image()


def fax(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode 1: a letter as scanned to one bit, slightly turned, with ragged edges and specks."""
    canvas = Canvas(width, height, 255, smooth=False, mode="L")
    size = dice.pick((9, 11, 13, 16))
    passage = fonts.passage(dice, latin=0.8)
    mono = fonts.choose(dice, "mono", max(7, size * 3 // 4))
    serial = dice.between(1, 12)
    stamp = f"{serial:02}/{dice.between(1, 28):02}/{dice.between(1988, 2006)} {dice.between(0, 23):02}:41  FAX"
    canvas.text((4, 2), f"{stamp} +49 30 {dice.between(100000, 999999)}   P.{serial:02}", mono, 0)
    margin, top = width // 12, size * 5 // 2
    if dice.chance(0.7):
        firm = dice.pick(fonts.words("firms"))
        canvas.text((margin, top), firm, fonts.choose(dice, "bold", size * 2), 0)
        top += size * 3
        canvas.box((margin, top, width - margin, top + max(1, size // 8)), 0)
        top += size
    font = fonts.font_for(dice, passage, dice.pick(("serif", "mono", "sans")), size)
    _column(dice, canvas, passage, font, (margin, top, width - 2 * margin), 0)
    grey = np.asarray(canvas.image()).astype(float)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), dice.uniform(-0.8, 0.8), 1)
    grey = cv2.warpAffine(grey, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=255)
    grey = cv2.GaussianBlur(grey, (0, 0), dice.uniform(0.3, 0.6)) + dice.rng.normal(0, 22, grey.shape)
    bits = grey > dice.uniform(120, 165)
    bits ^= dice.rng.random(bits.shape) < dice.pick((0.0, 0.0005, 0.003))
    return _two_valued(bits)


def _column(
    dice: Dice,
    canvas: Canvas,
    passage: fonts.Passage,
    font: fonts.Font,
    place: tuple[float, float, float],
    ink: tuple[int, int, int] | int,
) -> None:
    """Paragraphs from the top down. place: left, top, width."""
    left, top, wide = place
    leading = round(font.size * dice.uniform(1.2, 1.6))
    while top < canvas.height - leading:
        for line in fonts.lines(dice, passage, font, wide, dice.between(2, 7)):
            if top > canvas.height - leading:
                return
            canvas.text((left + wide if passage.leftward else left, top), line, font, ink, _anchor(passage))
            top += leading
        top += leading // 2


def _anchor(passage: fonts.Passage) -> str:
    return "ra" if passage.leftward else "la"


def _filling(dice: Dice, sign: str, style: str, room: tuple[float, float]) -> fonts.Font:
    """The font at the size at which the word fills the room's width or height."""
    state = dice.rng.bit_generator.state
    trial = fonts.choose(dice, style, 100)
    left, top, right, bottom = trial.getbbox(sign)
    size = int(100 * min(room[0] / max(right - left, 1), room[1] / max(bottom - top, 1)))
    dice.rng.bit_generator.state = state  # the same font again
    return fonts.choose(dice, style, size)


def _two_valued(bits: np.ndarray) -> Image.Image:
    """Mode 1 with at least one pixel of each value."""
    bits = bits.copy()
    bits.flat[0], bits.flat[-1] = True, False
    return Image.fromarray(bits)
