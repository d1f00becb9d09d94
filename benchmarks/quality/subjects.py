"""The pictures of real.py: real and odd ones as they are, and photos degraded by the presets of `srcli degrade`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from pathlib import Path

import numpy as np

from srcli import images
from srcli.bench import windows
from srcli.bench.blind import cut, opaque
from srcli.degradation.photo import Settings, degrade
from srcli.degradation.presets import PRESETS
from srcli.errors import SrcliError
from srcli.geometry import Size, Target, Window
from srcli.images import Picture, folders

WINDOW = 96  # pixels a side of the parts shown, in the small picture
SMALLEST = 32  # pixels a side of odd pictures
PLAIN = 1.0  # standard deviation, in 8-bit steps, below which an odd picture shows nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A small picture to enlarge.

    group: real, odd or degraded.
    size: of the result.
    truth: uint8 RGB (H, W, 3) of that size; None where nobody has it.
    detailed, flat: the parts of it that are shown.
    """

    group: str
    name: str
    scale: float
    low: Picture
    size: Size
    truth: np.ndarray | None
    detailed: Window
    flat: Window

    def in_result(self, window: Window) -> Window:
        return windows.enlarged(window, self.size.width / self.low.size.width, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which pictures.

    largest: pixels a side; larger pictures are cut to the square with most detail. 0: none is cut.
    at: places to show instead of the one with most detail, 0 to 1 from the left and from the top, by name.
    only: names; empty for all.
    """

    real: Sequence[Path] = ()
    odd: Sequence[Path] = ()
    photos: Sequence[Path] = ()
    odd_count: int = 10
    degraded_count: int = 20
    seed: int = 0
    largest: int = 256
    at: dict[str, tuple[float, float]]
    only: Sequence[str] = ()


def subjects(asked: Asked, scales: Sequence[float]) -> Iterator[Subject]:
    """All pictures at all scales."""
    kept: dict[str, list[tuple[str, Picture]]] = {"real": [], "odd": []}
    for path in listed(asked.real):
        kept["real"] += readable(path, 1)
    odd = [found for path in listed(asked.odd) for found in readable(path, SMALLEST) if found[1].rgb().std() >= PLAIN]
    kept["odd"] = evenly(odd, asked.odd_count)
    photos = [found for path in listed(asked.photos) for found in readable(path, WINDOW)]
    for scale in scales:
        for group, pictures in kept.items():
            for name, picture in pictures:
                if wanted(name, asked):
                    low = smaller(picture, asked.largest)
                    yield of(asked, group=group, name=name, scale=scale, low=low, truth=None)
        for name, photo, preset in degradations(photos, asked.degraded_count):
            if wanted(name, asked):
                truth = multiple(smaller(photo, 2 * asked.largest), scales)
                low = degrade(truth, name, Settings(preset, scale, asked.seed))
                yield of(asked, group="degraded", name=name, scale=scale, low=low, truth=truth.rgb())


def degradations(photos: Sequence[tuple[str, Picture]], count: int) -> Iterator[tuple[str, Picture, str]]:
    """Name, photo and preset: photos in turn, presets in turn; in the next round each photo gets another preset."""
    if len(photos) * len(PRESETS) < count and photos:
        print(f"{len(photos)} photos give {len(photos) * len(PRESETS)} degraded pictures", file=sys.stderr)
    presets = list(PRESETS)
    chosen = evenly(photos, count)
    for number in range(min(count, len(photos) * len(presets))):
        turn, place = divmod(number, len(chosen))
        name, photo = chosen[place]
        preset = presets[(place + turn) % len(presets)]
        yield f"{name}.{preset}", photo, preset


def of(asked: Asked, *, group: str, name: str, scale: float, low: Picture, truth: np.ndarray | None) -> Subject:
    image, align = low.rgb(), windows.grid_of(scale)
    shown = windows.detailed(image, WINDOW, align)
    if name in asked.at:
        x, y = asked.at[name]
        top, left = (
            max(0, min(round(share * n - side / 2), n - side)) // align * align
            for share, n, side in ((y, low.size.height, shown.height), (x, low.size.width, shown.width))
        )
        shown = replace(shown, top=top, left=left)
    size = Target(scale=scale).size(low.size) if truth is None else Size(*truth.shape[:2])
    flat = windows.flattest(image, WINDOW, align)
    return Subject(group=group, name=name, scale=scale, low=low, size=size, truth=truth, detailed=shown, flat=flat)


def listed(paths: Sequence[Path]) -> list[Path]:
    return [file for path in paths for file in (folders.pictures(path) if path.is_dir() else [path])]


def readable(path: Path, least: int) -> list[tuple[str, Picture]]:
    """The picture by its name, on white; nothing if it is damaged or smaller than `least`."""
    try:
        picture = opaque(images.read(path))
    except SrcliError as error:
        print(f"left out: {error}", file=sys.stderr)
        return []
    return [(path.stem, picture)] if min(picture.size.height, picture.size.width) >= least else []


def wanted(name: str, asked: Asked) -> bool:
    return not asked.only or name in asked.only


def evenly(found: list, count: int) -> list:
    """So many, at equal distances, the first and the last among them."""
    if len(found) <= count:
        return found
    return [found[round(place)] for place in np.linspace(0, len(found) - 1, count)]


def smaller(picture: Picture, largest: int) -> Picture:
    if not largest or max(picture.size.height, picture.size.width) <= largest:
        return picture
    return cut(picture, windows.detailed(picture.rgb(), largest, windows.GRID))


def multiple(photo: Picture, scales: Sequence[float]) -> Picture:
    """Cut at the right and at the bottom so that every scale divides it."""
    step = lcm(*(Fraction(scale).limit_denominator(windows.FINEST).numerator for scale in scales))
    size = photo.size
    return cut(photo, Window(0, 0, size.height // step * step, size.width // step * step))
