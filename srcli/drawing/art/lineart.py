"""Drawings of lines alone: curves, hatching, trees, wire frames, contours."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from srcli.drawing.canvas import Canvas, smooth_curve
from srcli.drawing.colours import scheme
from srcli.drawing.dice import Dice
from srcli.drawing.scenes import clouds, scene

Ink = tuple[int, int, int] | int


def lines(dice: Dice, width: int, height: int) -> Image.Image:
    """Antialiased or hard lines, black on white (mode L) or coloured (RGB)."""
    colours = scheme(dice, dark=0.15, vivid=0.05)
    grey = dice.chance(0.6)
    mode, paper, ink = ("L", 255, 0) if grey else ("RGB", colours.paper, colours.ink)
    canvas = Canvas(width, height, paper, smooth=dice.chance(0.65), mode=mode)
    style = dice.turn((hatched, rosette, tree, wire_frame, contours, scribbled))
    style(dice, canvas, ink)
    return canvas.image()


def rosette(dice: Dice, canvas: Canvas, ink: Ink) -> None:
    """Hypotrochoids, as a toy of gears draws them, or the guilloche of a banknote."""
    t = np.linspace(0, 2 * np.pi, 2400)
    middle = np.array([canvas.width, canvas.height]) / 2
    reach = min(canvas.width, canvas.height) * 0.46
    for ring in range(dice.between(1, 3)):
        lobes, depth = dice.pick((17, 23, 29, 37, 43)), dice.uniform(0.4, 1)
        second = dice.between(2, 13)
        radius = reach * (1 - 0.25 * ring) * (1 - depth * (0.5 + 0.5 * np.cos(lobes * t)) * 0.6)
        angle = second * t if dice.chance(0.5) else t + 0.4 * np.sin(lobes * t)
        canvas.line(middle + np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), ink, dice.pick((1, 1, 1.5)))


def hatched(dice: Dice, canvas: Canvas, ink: Ink) -> None:
    """A scene in up to four layers of parallel strokes, as an engraver shades it."""
    grey = cv2.GaussianBlur(scene(dice, canvas.width, canvas.height).mean(2), (0, 0), 1.2)
    low, high = np.percentile(grey, (3, 97))
    dark = 1 - np.clip((grey - low) / max(high - low, 1e-6), 0, 1)
    pitch, pen = dice.uniform(3.5, 7), dice.pick((1, 1, 1.3))
    turns = np.deg2rad(dice.pick(((45, -45, 0, 90), (30, 75, -15, 0), (0, 90, 45, -45))))
    reach = np.hypot(canvas.width, canvas.height)
    for layer, turn in enumerate(turns):
        along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        for offset in np.arange(-reach / 2, reach / 2, pitch):
            steps = np.arange(-reach / 2, reach / 2, 2.0)
            wobble = across * dice.normal(0, pitch / 12)
            path = np.array([canvas.width, canvas.height]) / 2 + steps[:, None] * along + offset * across + wobble
            x, y = path.astype(int).T
            inside = (x >= 0) & (y >= 0) & (x < canvas.width) & (y < canvas.height)
            wanted = np.zeros(len(steps), bool)
            wanted[inside] = dark[y[inside], x[inside]] > 0.25 + layer * 0.2
            for run in _runs(wanted):
                canvas.line([tuple(path[run[0]]), tuple(path[run[1]])], ink, pen)
    edges = cv2.Canny((grey * 255).astype(np.uint8), 40, 90)
    for outline in cv2.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
        if len(outline) > 12:
            canvas.line(smooth_curve(outline[::4, 0], 3), ink, pen + 0.4)


def tree(dice: Dice, canvas: Canvas, ink: Ink) -> None:
    """Branching stems with leaves."""
    for _ in range(dice.between(1, 3)):
        root = (canvas.width * dice.uniform(0.2, 0.8), canvas.height * 0.98)
        _branch(dice, canvas, ink, root, (canvas.height * dice.uniform(0.2, 0.28), -np.pi / 2, 8))
    canvas.line([(0, canvas.height * 0.98), (canvas.width, canvas.height * 0.98)], ink)


def wire_frame(dice: Dice, canvas: Canvas, ink: Ink) -> None:
    """A torus, a ball or a surface of waves, seen from above."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 49), np.linspace(0, 2 * np.pi, 25), indexing="ij")
    surface = dice.pick(("torus", "ball", "waves"))
    if surface == "torus":
        x, y, z = (2 + 0.9 * np.cos(v)) * np.cos(u), (2 + 0.9 * np.cos(v)) * np.sin(u), 0.9 * np.sin(v)
    elif surface == "ball":
        x, y, z = 2.6 * np.sin(v / 2) * np.cos(u), 2.6 * np.sin(v / 2) * np.sin(u), 2.6 * np.cos(v / 2)
    else:
        x, y = u - np.pi, v - np.pi
        radius = np.hypot(x, y)
        z = 2 * np.sin(radius * 2) / (radius + 0.8)
    tilt, turn = dice.uniform(0.5, 1.1), dice.uniform(0, np.pi)
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    reach = min(canvas.width, canvas.height) / 2 * 0.9 / (4.4 if surface == "waves" else 3)
    points = np.stack([x, -z * np.sin(tilt) + y * np.cos(tilt)], 2) * reach
    points += np.array([canvas.width, canvas.height]) / 2
    for row in points:
        canvas.line(row, ink)
    for column in points.transpose(1, 0, 2):
        canvas.line(column, ink)


def contours(dice: Dice, canvas: Canvas, ink: Ink) -> None:
    """Heights of a terrain, every fifth line thicker."""
    field = cv2.GaussianBlur(clouds(dice, canvas.width, canvas.height, 2.2), (0, 0), 2)
    count = dice.between(10, 26)
    for level in range(1, count):
        above = (field > level / count).astype(np.uint8)
        for outline in cv2.findContours(above, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
            points = outline[::5, 0]
            if len(points) > 3:
                canvas.line(smooth_curve([*points, points[0]], 4), ink, 2 if level % 5 == 0 else 1)


def scribbled(dice: Dice, canvas: Canvas, ink: Ink) -> None:
    """Loose curves of several widths, with circles and straight lines of every slope."""
    size = np.array([canvas.width, canvas.height])
    for _ in range(dice.between(4, 9)):
        knots = dice.rng.uniform(0.05, 0.95, (dice.between(4, 8), 2)) * size
        canvas.line(smooth_curve(knots, 20), ink, dice.pick((1, 1, 1.5, 2.5)))
    hub = dice.rng.uniform(0.2, 0.8, 2) * size
    for angle in np.linspace(0, 2 * np.pi, dice.between(24, 72), endpoint=False):
        ray = np.array([np.cos(angle), np.sin(angle)])
        canvas.line([tuple(hub + ray * 6), tuple(hub + ray * min(size) * 0.3)], ink)
    other = size - hub
    for radius in np.arange(3, min(size) * 0.25, dice.uniform(3, 7)):
        canvas.circle((float(other[0]), float(other[1])), float(radius), None, ink)


def _branch(dice: Dice, canvas: Canvas, ink: Ink, start: tuple[float, float], limb: tuple[float, float, int]) -> None:
    """limb: length, direction, generations left."""
    length, angle, left = limb
    bend = angle + dice.normal(0, 0.12)
    middle = (start[0] + length / 2 * np.cos(angle), start[1] + length / 2 * np.sin(angle))
    end = (middle[0] + length / 2 * np.cos(bend), middle[1] + length / 2 * np.sin(bend))
    canvas.line(smooth_curve([start, middle, end], 5), ink, 0.75 + 0.02 * left**2.5)
    if left == 0 or length < 3:
        for leaf in (-0.6, 0.6):
            tip = (end[0] + 6 * np.cos(bend + leaf), end[1] + 6 * np.sin(bend + leaf))
            canvas.line([end, tip], ink)
        return
    for side in (-1, 1):
        shorter = length * dice.uniform(0.62, 0.86)
        _branch(dice, canvas, ink, end, (shorter, bend + side * dice.uniform(0.2, 0.55), left - 1))


def _runs(wanted: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each stretch of at least two true values."""
    steps = np.diff(np.concatenate([[0], wanted.astype(np.int8), [0]]))
    firsts, lasts = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1
    return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True) if b > a]
