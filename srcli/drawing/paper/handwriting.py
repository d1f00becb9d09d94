"""Joined-up writing with a pen whose pressure varies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas, smooth_curve
from srcli.drawing.colours import Colour
from srcli.drawing.dice import Dice

# Letters as knots of a curve: x to the right, y up from the base line, 1 the height of a small letter. A letter begins
# and ends near the base line, so that the next one joins; ";" lifts the pen.
LETTERS = {
    "a": ".75,.85 .35,1 .05,.5 .3,0 .65,.4 .75,.95 .75,.3 .85,0 1.05,.2",
    "b": "0,.2 .35,1.2 .45,1.9 .25,1.9 .2,1 .2,.1 .45,0 .7,.4 .55,.85 .75,.8 .95,.75",
    "c": ".7,.8 .4,1 .1,.55 .3,.02 .6,.05 .9,.3",
    "d": ".7,.85 .35,1 .05,.5 .3,0 .65,.5 .85,1.9 .75,.9 .75,.2 .9,0 1.1,.2",
    "e": "0,.2 .4,.5 .55,.85 .35,1 .12,.6 .25,.05 .55,.05 .85,.3",
    "f": "0,.2 .4,1.2 .5,1.9 .3,1.9 .25,1 .25,-.7 .4,-.75 .45,-.1 .4,.1 .8,.3",
    "g": ".75,.85 .35,1 .05,.5 .3,.05 .65,.5 .75,.95 .7,-.5 .4,-.9 .25,-.6 .65,-.1 1.05,.2",
    "h": "0,.2 .35,1.2 .42,1.9 .22,1.9 .2,.9 .18,0 .3,.7 .55,1 .7,.7 .7,.15 .85,0 1.05,.2",
    "i": "0,.2 .25,1 .22,.3 .32,0 .6,.2 ; .3,1.45 .33,1.42",
    "j": "0,.2 .3,1 .25,-.5 .05,-.9 -.1,-.6 .3,-.05 .6,.2 ; .36,1.45 .39,1.42",
    "k": "0,.2 .35,1.2 .42,1.9 .22,1.9 .2,.9 .18,0 .3,.6 .6,1 .6,.65 .3,.5 .65,.05 .95,.2",
    "l": "0,.2 .35,1.2 .42,1.9 .2,1.9 .2,.9 .28,.05 .45,0 .65,.25",
    "m": "0,.6 .12,1 .15,0 .25,.75 .45,1 .5,.5 .5,0 .6,.75 .8,1 .9,.6 .9,.1 1.02,0 1.2,.2",
    "n": "0,.6 .12,1 .15,0 .28,.75 .52,1 .62,.6 .62,.1 .75,0 .95,.2",
    "o": ".6,.9 .35,1 .08,.5 .3,0 .62,.4 .5,.95 .7,.85 .95,.8",
    "p": "0,.4 .2,1 .15,-.9 .2,.4 .45,1 .7,.6 .5,.05 .25,.1 .6,.05 .95,.2",
    "q": ".75,.85 .35,1 .05,.5 .3,.05 .65,.5 .75,.95 .7,-.8 .85,-.7 .8,-.1 1.05,.2",
    "r": "0,.3 .15,1.1 .3,.9 .55,.85 .5,.3 .6,0 .85,.2",
    "s": "0,.2 .35,1 .45,.6 .45,.15 .2,0 .1,.12 .5,.1 .8,.25",
    "t": "0,.2 .35,1.2 .38,1.5 .3,.5 .4,0 .65,.2 ; .1,1.1 .6,1.18",
    "u": "0,.3 .15,1 .15,.3 .3,0 .55,.4 .65,1 .65,.3 .77,0 .95,.2",
    "v": "0,.5 .15,1 .25,.3 .35,0 .6,.6 .65,.95 .75,.85 .95,.8",
    "w": "0,.5 .12,1 .18,.2 .35,0 .52,.9 .55,.2 .75,0 .95,.9 1.05,.85 1.2,.8",
    "x": "0,.8 .2,1 .4,.3 .6,0 .85,.25 ; .65,.95 .1,.05",
    "y": "0,.3 .15,1 .2,.3 .4,.1 .65,1 .6,-.4 .35,-.9 .2,-.6 .6,-.1 .95,.2",
    "z": "0,.8 .3,1 .55,.9 .15,.05 .4,.15 .4,-.5 .2,-.8 .15,-.5 .5,-.05 .85,.2",
}
INKS: tuple[Colour, ...] = ((25, 35, 110), (20, 20, 24), (10, 60, 140), (90, 20, 30), (50, 50, 58))


def handwriting(dice: Dice, width: int, height: int) -> Image.Image:
    """A note on plain, lined or squared paper, or chalk on a board."""
    board = dice.chance(0.15)
    paper = (38, 60, 48) if board else dice.pick(((255, 255, 255), (250, 248, 240), (255, 250, 200), (243, 236, 220)))
    ink = (235, 238, 232) if board else dice.pick(INKS)
    canvas = Canvas(width, height, paper)
    size = dice.uniform(7, 18)  # pixels of a small letter
    pitch = max(6, round(size * dice.uniform(2.6, 3.4)))
    if not board:
        _ruled(dice, canvas, pitch)
    slant, pen = dice.uniform(-0.05, 0.5), size * dice.uniform(0.08, 0.16)
    notes = dice.shuffled(fonts.words("handwritten"))
    for row in range(1, height // pitch + 2):
        base, note = row * pitch, notes[row % len(notes)]
        x = width * 0.06 + dice.uniform(0, size)
        for word in note.split():
            x = _word(dice, canvas, word, (x, base + dice.normal(0, size / 15)), (size, slant, pen), ink)
            if x > width * 0.88:
                break
    return canvas.image()


def _word(
    dice: Dice,
    canvas: Canvas,
    word: str,
    start: tuple[float, float],
    hand: tuple[float, float, float],
    ink: Colour,
) -> float:
    """Write one word and return where the next begins. hand: size, slant, thickness of the pen."""
    size, slant, pen = hand
    stroke, lifted, at = [], [], 0.0
    for letter in word:
        wide = size * dice.uniform(0.85, 1.05)
        main, *marks = (
            [tuple(map(float, knot.split(","))) for knot in part.split()] for part in LETTERS[letter].split(";")
        )
        tall = size * dice.uniform(0.92, 1.08)
        placed = [_knot(dice, (x * wide + at, y * tall), size, slant, start) for x, y in main]
        lifted += [[_knot(dice, (x * wide + at, y * tall), size, slant, start) for x, y in mark] for mark in marks]
        stroke += placed
        at += main[-1][0] * wide
    for part in [stroke, *lifted]:
        _inked(dice, canvas, smooth_curve(part, 8), pen, ink)
    return start[0] + at + size * dice.uniform(0.6, 1.0)


def _knot(
    dice: Dice, at: tuple[float, float], size: float, slant: float, start: tuple[float, float]
) -> tuple[float, float]:
    jitter = size * 0.025
    x, y = at[0] + dice.normal(0, jitter), at[1] + dice.normal(0, jitter)
    return start[0] + x + slant * y, start[1] - y


def _inked(dice: Dice, canvas: Canvas, path: np.ndarray, pen: float, ink: Colour) -> None:
    """Thicker on strokes down the page, as a nib is."""
    for first, second in pairwise(path):
        down = (second[1] - first[1]) / (np.hypot(*(second - first)) + 1e-6)
        thick = pen * (1 + 0.35 * down) * dice.uniform(0.92, 1.08)
        canvas.line([tuple(first), tuple(second)], ink, thick)
        canvas.circle(tuple(second), thick / 2, ink)


def _ruled(dice: Dice, canvas: Canvas, pitch: int) -> None:
    style = dice.pick(("plain", "lines", "lines", "squares"))
    if style == "plain":
        return
    rule = dice.pick(((185, 205, 230), (200, 200, 200), (170, 190, 225)))
    step = pitch if style == "lines" else max(4, pitch // 2)
    for y in range(step, canvas.height, step):
        canvas.box((0, y, canvas.width, y + 1), rule)
    if style == "squares":
        for x in range(step // 2, canvas.width, step):
            canvas.box((x, 0, x + 1, canvas.height), rule)
    elif dice.chance(0.5):
        canvas.box((canvas.width // 20, 0, canvas.width // 20 + 1, canvas.height), (225, 120, 120))
