"""Every kind of graphic, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from srcli.drawing.charts import chart
from srcli.drawing.circuits import schematic
from srcli.drawing.codes import code
from srcli.drawing.comics import comic
from srcli.drawing.dice import Dice
from srcli.drawing.handwriting import handwriting
from srcli.drawing.icons import icon
from srcli.drawing.lineart import lines
from srcli.drawing.logos import logo
from srcli.drawing.maps import draw_map
from srcli.drawing.pages import fax, text, word
from srcli.drawing.patterns import checker, gradient, grating, noise
from srcli.drawing.plans import diagram, table
from srcli.drawing.prints import dither, halftone, palette
from srcli.drawing.scores import music
from srcli.drawing.screens import screen
from srcli.drawing.sprites import pixel_art


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
