"""Show a path from sharp to degraded: the middle of a photo at rising scales, side by side or animated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from srcli.geometry import Size
from srcli.images import Picture

STRIP, MOVIE = "strip", "webp"
NAMES = {STRIP: "strip", MOVIE: "path"}  # labels of results
SIDES = {STRIP: 256, MOVIE: 512}  # maximum pixels per side of the part that is shown
GAP = 4  # white pixels between the pictures of a strip
DELAY = 100.0  # milliseconds per frame


def path_scales(kind: str) -> list[float]:
    """The scales to show, above 1."""
    step = 5 if kind == STRIP else 1
    return [n / 10 for n in range(10 + step, 41, step)]


def shown(kind: str, photo: Size) -> Size:
    """Size of the part of a photo that is shown."""
    side = min(SIDES[kind], photo.height, photo.width)
    return Size(side, side)


def size(kind: str, photo: Size) -> Size:
    """Size of the result."""
    part, count = shown(kind, photo), len(path_scales(kind)) + 1
    return part if kind == MOVIE else Size(part.height, count * part.width + (count - 1) * GAP)


def middle(kind: str, picture: Picture) -> Picture:
    """The middle of a picture, without transparency."""
    part = shown(kind, picture.size)
    y, x = (picture.size.height - part.height) // 2, (picture.size.width - part.width) // 2
    return replace(picture, colour=picture.colour[y : y + part.height, x : x + part.width], alpha=None)


def strip(frames: Sequence[Picture]) -> Picture:
    """Join pictures side by side."""
    first = frames[0]
    gap = np.full((first.size.height, GAP, first.colour.shape[2]), 255, np.uint8)
    parts = [part for frame in frames for part in (frame.colour, gap)][:-1]
    return replace(first, colour=np.concatenate(parts, axis=1))


def cycle(frames: Sequence[Picture]) -> list[Picture]:
    """Frames of an animation that goes forward and back."""
    return [replace(frame, delay=DELAY) for frame in [*frames, *frames[-2:0:-1]]]
