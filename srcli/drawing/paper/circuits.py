"""Circuit diagrams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas, Point
from srcli.drawing.colours import Colour
from srcli.drawing.dice import Dice

LOOKS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((255, 255, 255), (0, 0, 0), (0, 0, 0)),
    ((255, 255, 255), (130, 0, 0), (0, 130, 0)),
    ((20, 60, 120), (230, 240, 255), (230, 240, 255)),
    ((0, 0, 0), (240, 220, 60), (60, 220, 80)),
)  # paper, parts, wires
Stroke = list[Point]  # along the part from 0 to 1, across it in units of its length


@dataclass(frozen=True, slots=True)
class Board:
    """What is drawn on, the distance of grid points, and the look."""

    canvas: Canvas
    step: int
    paper: Colour
    ink: Colour
    wire: Colour
    font: fonts.Font


def schematic(dice: Dice, width: int, height: int) -> Image.Image:
    """A circuit on a grid: wires, resistors, capacitors, diodes, coils, chips and earths, with their values."""
    paper, ink, wire = dice.pick(LOOKS)
    canvas = Canvas(width, height, paper, smooth=dice.chance(0.4), crisp=dice.chance(0.3))
    step = dice.pick((40, 48, 60))
    board = Board(canvas, step, paper, ink, wire, fonts.choose(dice, "sans", max(7, step // 5)))
    spots = [(c, r) for r in range(height // step + 1) for c in range(width // step + 1)]
    chips = {(c, r) for c, r in spots if c % 3 == 1 and r % 3 == 1 and dice.chance(0.4)}
    for c, r in spots:
        at = ((c + 0.5) * step, (r + 0.5) * step)
        across, down = dice.chance(0.6), dice.chance(0.6)
        if across:
            _part(dice, board, at, turned=False, plain=bool(chips & {(c, r), (c + 1, r)}))
        if down:
            _part(dice, board, at, turned=True, plain=bool(chips & {(c, r), (c, r + 1)}))
        elif across and dice.chance(0.3):
            _earth(board, at)
        if across and dice.chance(0.6):
            canvas.circle(at, 2.2, wire)
    for c, r in spots:
        if (c, r) in chips:
            _chip(dice, board, ((c + 0.5) * step, (r + 0.5) * step))
    return canvas.image()


def _part(dice: Dice, board: Board, at: Point, *, turned: bool, plain: bool) -> None:
    """From a grid point to the next one on the right, or below if turned. plain: a wire."""
    name = "" if plain else dice.pick(("R", "R", "C", "D", "L", "", "", ""))

    def place(stroke: Stroke) -> list[Point]:
        scaled = [(round(along * board.step), round(across * board.step)) for along, across in stroke]
        return [(at[0] + (b if turned else a), at[1] + (a if turned else b)) for a, b in scaled]

    if not name:
        board.canvas.line(place([(0, 0), (1, 0)]), board.wire)
        return
    strokes, first, last = PARTS[name](dice)
    for stroke in strokes:
        board.canvas.line(place(stroke), board.ink)
    board.canvas.line(place([(0, 0), (first, 0)]), board.wire)
    board.canvas.line(place([(last, 0), (1, 0)]), board.wire)
    value = dice.pick(VALUES[name])
    label = f"{name}{dice.between(1, 40)}" if dice.chance(0.5) else value
    where = place([(0.5, 0.18)] if turned else [(0.5, -0.14)])[0]
    board.canvas.text(where, label, board.font, board.ink, "lm" if turned else "mb")


def _resistor(dice: Dice) -> tuple[list[Stroke], float, float]:
    """European box. Strokes, and where the wires end."""
    return [[(0.28, -0.09), (0.72, -0.09), (0.72, 0.09), (0.28, 0.09), (0.28, -0.09)]], 0.28, 0.72


def _zigzag(dice: Dice) -> tuple[list[Stroke], float, float]:
    x = np.linspace(0.25, 0.75, 13)
    y = np.where(np.arange(13) % 2, np.where(np.arange(13) % 4 == 1, 0.1, -0.1), 0)
    return [list(zip(x.tolist(), y.tolist(), strict=True))], 0.25, 0.75


def _capacitor(dice: Dice) -> tuple[list[Stroke], float, float]:
    return [[(0.46, -0.16), (0.46, 0.16)], [(0.55, -0.16), (0.55, 0.16)]], 0.46, 0.55


def _diode(dice: Dice) -> tuple[list[Stroke], float, float]:
    arrow = [(0.4, -0.12), (0.4, 0.12), (0.6, 0), (0.4, -0.12)]
    return [arrow, [(0.6, -0.12), (0.6, 0.12)]], 0.4, 0.6


def _coil(dice: Dice) -> tuple[list[Stroke], float, float]:
    t = np.linspace(0, 4 * np.pi, 41)
    return [list(zip((0.25 + t / (8 * np.pi)).tolist(), (-0.1 * np.abs(np.sin(t))).tolist(), strict=True))], 0.25, 0.75


def _earth(board: Board, at: Point) -> None:
    x, y = round(at[0]), round(at[1])
    board.canvas.line([(x, y), (x, y + 8)], board.wire)
    for n in range(3):
        board.canvas.box((x - 7 + 2 * n, y + 8 + 3 * n, x + 8 - 2 * n, y + 9 + 3 * n), board.ink)


def _chip(dice: Dice, board: Board, at: Point) -> None:
    """A box with numbered pins and a type."""
    half, tall = board.step * 0.5, board.step * 0.85
    x, y = round(at[0]), round(at[1])
    canvas, small = board.canvas, fonts.choose(dice, "sans", 7)
    canvas.box((x - half, y - tall, x + half, y + tall), board.paper, board.ink)
    for n in range(4):
        level = round(y - tall + (n + 0.5) * tall / 2)
        for side, pin in ((-1, n + 1), (1, 8 - n)):
            canvas.line([(x + side * half, level), (x + side * (half + 8), level)], board.ink)
            canvas.text((x + side * (half - 3), level), str(pin), small, board.ink, "lm" if side < 0 else "rm")
    canvas.text((x, y), dice.pick(("NE555", "LM358", "74HC00", "U3")), board.font, board.ink, "mm")


PARTS: dict[str, Callable[[Dice], tuple[list[Stroke], float, float]]] = {
    "R": lambda dice: (_resistor if dice.chance(0.5) else _zigzag)(dice),
    "C": _capacitor,
    "D": _diode,
    "L": _coil,
}
VALUES = {
    "R": ("10k", "4k7", "220", "1M", "330R"),
    "C": ("100n", "10u", "22p", "470u"),
    "D": ("1N4148", "1N4007", "LED"),
    "L": ("10uH", "1mH"),
}
