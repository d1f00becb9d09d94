"""Charts with titles, axes, ticks and legends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas
from srcli.drawing.colours import Scheme, scheme
from srcli.drawing.dice import Dice


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The area between the axes, in pixels, and the look of what is in it."""

    canvas: Canvas
    colours: Scheme
    font: fonts.Font
    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def chart(dice: Dice, width: int, height: int) -> Image.Image:
    colours = scheme(dice, dark=0.2, vivid=0)
    canvas = Canvas(width, height, colours.paper, smooth=dice.chance(0.85))
    size = max(7, min(13, height // 26))
    style = dice.pick(("sans", "sans", "serif"))
    font, head = fonts.choose(dice, style, size), fonts.choose(dice, dice.pick(("bold", style)), size * 4 // 3)
    canvas.text((width / 2, size), dice.pick(fonts.words("titles")), head, colours.ink, "ma")
    left, top, right, bottom = size * 4, size * 4, width - size * 2, height - size * 3
    if right - left < 12 or bottom - top < 12:
        left, top, right, bottom = 1, 1, width - 1, height - 1
    plot = Plot(canvas=canvas, colours=colours, font=font, left=left, top=top, right=right, bottom=bottom)
    dice.turn((bars, curves, pie, scatter))(dice, plot)
    return canvas.image()


def bars(dice: Dice, plot: Plot) -> None:
    groups, series = dice.between(3, 8 if plot.width > 200 else 4), dice.between(1, 3)
    values = dice.rng.uniform(0.15, 0.97, (groups, series))
    top = _axes(dice, plot)
    step = plot.width / groups
    wide = step * dice.uniform(0.6, 0.85) / series
    labels = fonts.words("months") if dice.chance(0.6) else dice.shuffled(fonts.words("names"))
    outlined = dice.chance(0.3)
    for g in range(groups):
        start = round(plot.left + step * g + (step - wide * series) / 2)
        for s in range(series):
            x, y = start + round(s * wide), round(plot.bottom - values[g, s] * plot.height)
            colour = plot.colours.accents[s % len(plot.colours.accents)]
            plot.canvas.box(
                (x, y, x + max(1, round(wide) - 1), plot.bottom), colour, plot.colours.ink if outlined else None
            )
            if series == 1 and dice.chance(0.8):
                plot.canvas.text((x + wide / 2, y - 2), f"{values[g, s] * top:.3g}", plot.font, plot.colours.ink, "mb")
        if plot.font.getlength(labels[g]) < step:
            at = (plot.left + step * (g + 0.5), plot.bottom + plot.font.size * 0.4)
            plot.canvas.text(at, labels[g], plot.font, plot.colours.ink, "ma")
    if series > 1:
        _legend(dice, plot, series)


def curves(dice: Dice, plot: Plot) -> None:
    series, count = dice.between(1, 4), dice.between(8, 60)
    _axes(dice, plot)
    x = np.linspace(plot.left, plot.right, count)
    marked, thick = count < 25 and dice.chance(0.6), dice.pick((1, 1.5, 2, 3))
    for s in range(series):
        walk = np.cumsum(dice.rng.normal(0, 1, count)) + np.linspace(0, dice.normal(0, 8), count)
        walk = (walk - walk.min()) / max(float(np.ptp(walk)), 1e-6)
        low, high = sorted((dice.uniform(0.05, 0.6), dice.uniform(0.3, 0.95)))
        y = plot.bottom - (low + (high - low) * walk) * plot.height
        points = np.stack([x, y], 1)
        colour = plot.colours.accents[s % len(plot.colours.accents)]
        plot.canvas.line(points, colour, thick)
        for px, py in points if marked else ():
            if s % 2:
                plot.canvas.box((px - 2.5, py - 2.5, px + 2.5, py + 2.5), colour)
            else:
                plot.canvas.circle((px, py), 3, plot.colours.paper, colour, 1.25)
    _numbers_below(dice, plot)
    if series > 1:
        _legend(dice, plot, series)


def pie(dice: Dice, plot: Plot) -> None:
    parts = dice.rng.dirichlet(np.full(dice.between(3, 6), 2.5))
    radius = min(plot.width, plot.height) / 2 * 0.95
    x, y = plot.left + plot.width * dice.uniform(0.4, 0.6), (plot.top + plot.bottom) / 2
    box = (x - radius, y - radius, x + radius, y + radius)
    names, ring = dice.shuffled(fonts.words("names")), dice.chance(0.3)
    start = dice.uniform(-90, 90)
    edge = plot.colours.paper if dice.chance(0.6) else plot.colours.ink
    for n, part in enumerate(parts):
        end = start + 360 * float(part)
        plot.canvas.slice(box, start, end, plot.colours.accents[n % len(plot.colours.accents)], edge, 1)
        turn = np.deg2rad((start + end) / 2)
        far = radius + plot.font.size * 0.7
        anchor = "lm" if np.cos(turn) > 0 else "rm"
        if radius > 30:
            at = (x + far * np.cos(turn), y + far * np.sin(turn))
            plot.canvas.text(at, f"{names[n]} {part * 100:.0f}%", plot.font, plot.colours.ink, anchor)
        start = end
    if ring:
        plot.canvas.circle((x, y), radius * 0.55, plot.colours.paper)


def scatter(dice: Dice, plot: Plot) -> None:
    _axes(dice, plot)
    _numbers_below(dice, plot)
    groups = dice.between(1, 3)
    for g in range(groups):
        middle, spread = dice.rng.uniform(0.25, 0.75, 2), dice.uniform(0.05, 0.14)
        bend = dice.uniform(-1, 1)
        for _ in range(dice.between(15, 70)):
            dx, dy = dice.normal(0, spread), dice.normal(0, spread)
            px = plot.left + np.clip(middle[0] + dx, 0.02, 0.98) * plot.width
            py = plot.bottom - np.clip(middle[1] + dy + bend * dx, 0.02, 0.98) * plot.height
            colour = plot.colours.accents[g % len(plot.colours.accents)]
            if g == 1:
                plot.canvas.line([(px - 3, py - 3), (px + 3, py + 3)], colour, 1.2)
                plot.canvas.line([(px - 3, py + 3), (px + 3, py - 3)], colour, 1.2)
            else:
                plot.canvas.circle((float(px), float(py)), 2.5, colour)
    if groups > 1:
        _legend(dice, plot, groups)


def _axes(dice: Dice, plot: Plot) -> float:
    """Frame or two axes, a grid at times, numbers on the left. Returns the value at the top."""
    canvas, ink = plot.canvas, plot.colours.ink
    steps = dice.pick((4, 5, 6, 8) if plot.height > 120 else (2, 4))
    top = steps * dice.pick((0.1, 0.2, 1, 2, 5, 10, 20, 25, 50, 100))
    grid = dice.chance(0.6)
    for n in range(steps + 1):
        y = round(plot.bottom - n / steps * plot.height)
        if grid and n:
            canvas.box((plot.left, y, plot.right, y + 1), plot.colours.faint)
        canvas.box((plot.left - 4, y, plot.left, y + 1), ink)
        canvas.text((plot.left - 6, y), f"{top * n / steps:g}", plot.font, ink, "rm")
    canvas.box((plot.left, plot.top, plot.left + 1, plot.bottom + 1), ink)
    canvas.box((plot.left, plot.bottom, plot.right, plot.bottom + 1), ink)
    if dice.chance(0.3):
        canvas.box((plot.left, plot.top, plot.right, plot.bottom + 1), None, ink)
    return top


def _numbers_below(dice: Dice, plot: Plot) -> None:
    steps, first, stride = dice.between(4, 8), dice.pick((0, 0, 1990, 2000)), dice.pick((1, 2, 5, 10))
    for n in range(steps + 1):
        x = round(plot.left + n / steps * plot.width)
        plot.canvas.box((x, plot.bottom, x + 1, plot.bottom + 4), plot.colours.ink)
        if plot.width / steps > plot.font.size * 2.6 and n < steps:
            plot.canvas.text((x, plot.bottom + 5), str(first + n * stride), plot.font, plot.colours.ink, "ma")
    if plot.width > 12 * plot.font.size:
        at = (plot.right, plot.bottom + plot.font.size * 1.7)
        plot.canvas.text(at, dice.pick(("time [s]", "year", "n", "x", "epoch")), plot.font, plot.colours.ink, "ra")


def _legend(dice: Dice, plot: Plot, series: int) -> None:
    size = plot.font.size
    names = dice.shuffled(fonts.words("names"))[:series]
    wide = max(plot.font.getlength(name) for name in names) + size * 2.2
    if wide > plot.width * 0.6 or series * size * 1.3 > plot.height * 0.5:
        return
    left = round(plot.right - wide - 4) if dice.chance(0.6) else plot.left + 6
    plot.canvas.box(
        (left, plot.top, left + round(wide), plot.top + round(size * (1.3 * series + 0.6))),
        plot.colours.paper,
        plot.colours.faint,
    )
    for n, name in enumerate(names):
        y = plot.top + round(size * (0.4 + 1.3 * n))
        plot.canvas.box(
            (left + 4, y + 1, left + 4 + size, y + size - 1), plot.colours.accents[n % len(plot.colours.accents)]
        )
        plot.canvas.text((left + size * 1.6, y + size / 2), name, plot.font, plot.colours.ink, "lm")
