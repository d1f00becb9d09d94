"""Every kind of graphic, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from srcli.drawing.art.comics import comic
from srcli.drawing.art.lineart import lines
from srcli.drawing.art.logos import logo
from srcli.drawing.art.patterns import checker, gradient, grating, noise
from srcli.drawing.art.prints import dither, halftone, palette
from srcli.drawing.dice import Dice
from srcli.drawing.paper.charts import chart
from srcli.drawing.paper.circuits import schematic
from srcli.drawing.paper.codes import code
from srcli.drawing.paper.handwriting import handwriting
from srcli.drawing.paper.maps import draw_map
from srcli.drawing.paper.pages import fax, text, word
from srcli.drawing.paper.plans import diagram, table
from srcli.drawing.paper.scores import music
from srcli.drawing.screen.icons import icon
from srcli.drawing.screen.screens import screen
from srcli.drawing.screen.sprites import pixel_art


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A function that draws, and what its pictures are.

    modes: those of Pillow that a picture may have.
    native: width and height at which such files exist as they are, if small ones do.
    """

    name: str
    draw: Callable[[Dice, int, int], Image.Image]
    modes: tuple[str, ...] = ("RGB",)
    native: tuple[int, int] | None = None


EVERY = (
    Kind(name="text", draw=text, modes=("L", "RGB")),
    Kind(name="word", draw=word),
    Kind(name="fax", draw=fax, modes=("1",), native=(240, 180)),
    Kind(name="handwriting", draw=handwriting),
    Kind(name="dither", draw=dither, modes=("1",), native=(240, 180)),
    Kind(name="halftone", draw=halftone, modes=("L", "RGB")),
    Kind(name="lines", draw=lines, modes=("L", "RGB")),
    Kind(name="comic", draw=comic, modes=("L", "RGB")),
    Kind(name="chart", draw=chart),
    Kind(name="map", draw=draw_map),
    Kind(name="screen", draw=screen),
    Kind(name="palette", draw=palette, modes=("P",), native=(240, 180)),
    Kind(name="logo", draw=logo, modes=("RGBA",)),
    Kind(name="icon", draw=icon, modes=("RGBA",), native=(48, 48)),
    Kind(name="code", draw=code, modes=("1", "L", "RGB"), native=(96, 96)),
    Kind(name="pixelart", draw=pixel_art, modes=("P",), native=(128, 96)),
    Kind(name="table", draw=table, modes=("L", "RGB")),
    Kind(name="schematic", draw=schematic),
    Kind(name="music", draw=music, modes=("L",)),
    Kind(name="diagram", draw=diagram),
    Kind(name="checker", draw=checker, modes=("L", "RGB")),
    Kind(name="grating", draw=grating, modes=("L", "RGB")),
    Kind(name="gradient", draw=gradient),
    Kind(name="noise", draw=noise, modes=("L", "RGB")),
)
BY_NAME = {kind.name: kind for kind in EVERY}
