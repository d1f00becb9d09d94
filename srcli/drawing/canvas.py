"""Shapes and text on a picture, with smooth edges or hard ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from srcli.drawing.fonts import Font

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom, as spans: 0 to 10 holds ten pixels
Paint = tuple[int, ...] | int | None
OVERSAMPLING = 4


class Canvas:
    """Shapes in continuous pixel coordinates. Smooth ones are drawn at 4 times their size and averaged.

    Text is drawn last, over all shapes, at its own size: so fonts keep their hinting.
    """

    def __init__(
        self, width: int, height: int, paper: Paint, *, smooth: bool = True, mode: str = "RGB", crisp: bool = False
    ) -> None:
        """crisp: letters without antialiasing."""
        self.width, self.height, self.crisp = width, height, crisp
        self.scale = OVERSAMPLING if smooth else 1
        self.sheet = Image.new(mode, (width * self.scale, height * self.scale), paper)
        self.pen = ImageDraw.Draw(self.sheet)
        self.texts: list[tuple[Point, str, Font, Paint, str]] = []

    def line(self, points: Sequence[Point] | np.ndarray, paint: Paint, width: float = 1.0) -> None:
        scaled = [(float(x) * self.scale, float(y) * self.scale) for x, y in points]
        self.pen.line(scaled, fill=paint, width=max(1, round(width * self.scale)), joint="curve")

    def polygon(self, points: Sequence[Point] | np.ndarray, paint: Paint, edge: Paint = None, width: float = 1) -> None:
        scaled = [(float(x) * self.scale, float(y) * self.scale) for x, y in points]
        self.pen.polygon(scaled, fill=paint)
        if edge is not None:
            self.line([*points, *points[:2]], edge, width)

    def box(self, box: Box, paint: Paint, edge: Paint = None, width: float = 1, radius: float = 0) -> None:
        if (spans := self._spans(box)) is None:
            return
        thick = max(1, round(width * self.scale))
        if radius > 0:
            self.pen.rounded_rectangle(spans, radius * self.scale, fill=paint, outline=edge, width=thick)
        else:
            self.pen.rectangle(spans, fill=paint, outline=edge, width=thick)

    def ellipse(self, box: Box, paint: Paint, edge: Paint = None, width: float = 1) -> None:
        if (spans := self._spans(box)) is not None:
            self.pen.ellipse(spans, fill=paint, outline=edge, width=max(1, round(width * self.scale)))

    def circle(self, centre: Point, radius: float, paint: Paint, edge: Paint = None, width: float = 1) -> None:
        x, y = centre
        self.ellipse((x - radius, y - radius, x + radius, y + radius), paint, edge, width)

    def arc(self, box: Box, start: float, end: float, paint: Paint, width: float = 1) -> None:
        """Angles in degrees, clockwise from three o'clock."""
        if (spans := self._spans(box)) is not None:
            self.pen.arc(spans, start, end, fill=paint, width=max(1, round(width * self.scale)))

    def slice(self, box: Box, start: float, end: float, paint: Paint, edge: Paint = None, width: float = 1) -> None:
        if (spans := self._spans(box)) is not None:
            self.pen.pieslice(spans, start, end, fill=paint, outline=edge, width=max(1, round(width * self.scale)))

    def text(self, at: Point, text: str, font: Font, paint: Paint, anchor: str = "la") -> None:
        """anchor: Pillow's, e.g. "la" left and ascender, "mm" middle."""
        self.texts.append((at, text, font, paint, anchor))

    def image(self) -> Image.Image:
        sheet = reduced(self.sheet, self.scale)
        for at, text, font, paint, anchor in self.texts:
            lettered(sheet, at, text, font, paint, anchor=anchor, crisp=self.crisp)
        return sheet

    def _spans(self, box: Box) -> tuple[int, int, int, int] | None:
        left, top, right, bottom = (round(n * self.scale) for n in box)
        return (left, top, right - 1, bottom - 1) if right > left and bottom > top else None


def lettered(
    sheet: Image.Image, at: Point, text: str, font: Font, paint: Paint, *, anchor: str = "la", crisp: bool = False
) -> None:
    """Draw text in place. On RGBA the edges keep the text's colour and fade in alpha only."""
    if sheet.mode != "RGBA":
        pen = ImageDraw.Draw(sheet)
        pen.fontmode = "1" if crisp else "L"
        pen.text(at, text, fill=paint, font=font, anchor=anchor)
        return
    mask = Image.new("L", sheet.size)
    lettered(mask, at, text, font, 255, anchor=anchor, crisp=crisp)
    layer = Image.new("RGBA", sheet.size, paint)
    layer.putalpha(mask)
    sheet.alpha_composite(layer)


def reduced(sheet: Image.Image, factor: int) -> Image.Image:
    """Averages of factor x factor pixels; of RGBA with colours weighted by their alpha."""
    if factor == 1:
        return sheet
    if sheet.mode == "RGBA":
        return sheet.convert("RGBa").reduce(factor).convert("RGBA")
    return sheet.reduce(factor)


def smooth_curve(points: Sequence[Point] | np.ndarray, steps: int = 12) -> np.ndarray:
    """A Catmull-Rom spline through points: (n, 2) floats."""
    knots = np.asarray(points, float)
    if len(knots) < 3:
        return knots
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        cubic = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        parts.append(cubic / 2)
    return np.concatenate([*parts, knots[-1:]])
