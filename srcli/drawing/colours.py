"""Colours that go together."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from srcli.drawing.dice import Dice

Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
PAPERS = (WHITE, WHITE, WHITE, (252, 251, 247), (247, 241, 227), (243, 244, 246), (236, 233, 216), (255, 253, 208))
DARKS = ((0, 0, 0), (18, 18, 18), (30, 30, 30), (13, 17, 23), (40, 42, 54), (0, 43, 54), (24, 38, 66), (45, 20, 44))
PALETTES: tuple[tuple[str, ...], ...] = (
    ("1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b"),
    ("4285f4", "db4437", "f4b400", "0f9d58", "ab47bc", "00acc1"),
    ("264653", "2a9d8f", "e9c46a", "f4a261", "e76f51", "8ab17d"),
    ("0072b2", "e69f00", "009e73", "cc79a7", "56b4e9", "d55e00"),
    ("ff0000", "00a000", "0000ff", "ff00ff", "00b0b0", "e0c000"),
    ("1d3557", "e63946", "457b9d", "a8dadc", "f1a208", "6a994e"),
    ("5f4690", "1d6996", "38a6a5", "0f8554", "edad08", "cc503e"),
    ("333333", "666666", "999999", "bbbbbb", "4d4d4d", "808080"),
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A background, the main colour on it, and others for parts."""

    paper: Colour
    ink: Colour
    accents: tuple[Colour, ...]

    @property
    def dark(self) -> bool:
        return luma(self.paper) < 128

    @property
    def faint(self) -> Colour:
        """For rules, grids and quiet text."""
        return mix(self.paper, self.ink, 0.3)


def scheme(dice: Dice, dark: float = 0.25, vivid: float = 0.1) -> Scheme:
    """dark, vivid: the shares of dark and of saturated backgrounds."""
    accents = tuple(_parsed(name) for name in dice.shuffled(dice.pick(PALETTES)))
    roll = dice.uniform(0, 1)
    if roll < vivid:
        paper = hsv(dice.uniform(0, 1), dice.uniform(0.5, 1), dice.uniform(0.4, 1))
    else:
        paper = dice.pick(DARKS) if roll < vivid + dark else dice.pick(PAPERS)
    ink = (WHITE if luma(paper) < 128 else BLACK) if dice.chance(0.5) else legible(dice, paper)
    return Scheme(paper, ink, tuple(lifted(accent, paper) for accent in accents))


def legible(dice: Dice, paper: Colour) -> Colour:
    """A colour that reads well on paper, most often a muted one."""
    target = WHITE if luma(paper) < 128 else BLACK
    tint = hsv(dice.uniform(0, 1), dice.uniform(0.1, 1), dice.uniform(0.3, 0.9))
    return mix(target, tint, dice.uniform(0, 0.4))


def lifted(colour: Colour, paper: Colour, least: float = 60) -> Colour:
    """The colour itself, or one further from the paper's lightness where it would not be seen."""
    if abs(luma(colour) - luma(paper)) >= least:
        return colour
    return mix(colour, WHITE if luma(paper) < 128 else BLACK, 0.5)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """share: of the second, 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def luma(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _parsed(name: str) -> Colour:
    red, green, blue = bytes.fromhex(name)
    return red, green, blue
