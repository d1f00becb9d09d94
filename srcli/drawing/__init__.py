"""Graphics without end: pictures of text, plans, screens and patterns, drawn from a seed."""

from __future__ import annotations

from PIL import Image

from srcli.drawing.dice import Dice
from srcli.drawing.kinds import BY_NAME

__all__ = ["KINDS", "draw"]

KINDS: tuple[str, ...] = tuple(BY_NAME)


def draw(kind: str, seed: int, width: int, height: int) -> Image.Image:
    """A graphic of a kind in the mode that such a file has: RGB, RGBA, L, 1 or P.

    The same arguments give the same pixels on a machine with the same fonts.
    """
    if kind not in BY_NAME:
        raise ValueError(f"no kind {kind!r}: choose from {', '.join(KINDS)}")
    if width < 1 or height < 1:
        raise ValueError(f"expected a size of at least 1x1, got {width}x{height}")
    return BY_NAME[kind].draw(Dice(kind, seed), width, height)
