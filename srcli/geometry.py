"""Sizes and rectangles in pixels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeVar

from srcli.arguments import ArgumentError, is_number

Image = TypeVar("Image", bound=Any)


@dataclass(frozen=True, slots=True)
class Size:
    """A picture's size in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def megapixels(self) -> float:
        return self.height * self.width / 1e6


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle in absolute pixels, of the output unless stated otherwise. `bottom` and `right` are exclusive."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    def within(self, size: Size, margin: int = 0, align: int = 1, minimum: int = 0) -> Window:
        """Grow the rectangle within a picture of `size`.

        margin: pixels to add on each side.
        align: sides lie on multiples of this.
        minimum: minimum area in pixels, unless the picture is smaller.
        """
        while True:
            top, left = ((max(0, v - margin)) // align * align for v in (self.top, self.left))
            bottom = min(size.height, -(-(self.bottom + margin) // align) * align)
            right = min(size.width, -(-(self.right + margin) // align) * align)
            grown = Window(top, left, bottom - top, right - left)
            if grown.height * grown.width >= minimum or (grown.height, grown.width) == (size.height, size.width):
                return grown
            margin += 4

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def shifted(self, down: int, right: int) -> Window:
        """The rectangle moved by so many pixels."""
        return Window(self.top + down, self.left + right, self.height, self.width)

    def inside(self, origin: Window) -> Window:
        """The same rectangle, counted from the corner of `origin`."""
        return self.shifted(-origin.top, -origin.left)

    def scaled(self, factor: float) -> Window:
        """The rectangle on a grid `factor` times as fine, its sides rounded outwards."""
        top, left = math.floor(self.top * factor), math.floor(self.left * factor)
        return Window(top, left, math.ceil(self.bottom * factor) - top, math.ceil(self.right * factor) - left)

    def cut(self, image: Image, shown: Window | None = None) -> Image:
        """Its part of an image (..., H, W) that shows `shown` (default: begins at 0, 0)."""
        part: Image = image[..., *(self if shown is None else self.inside(shown)).slices]
        return part

    @classmethod
    def whole(cls, size: Size) -> Window:
        """The rectangle of a whole picture."""
        return cls(0, 0, size.height, size.width)


def mean_scale(high: Size, low: Size) -> float:
    """Geometric mean of the scales along both axes."""
    return math.sqrt(high.height * high.width / (low.height * low.width))


class TargetError(ArgumentError):
    """An invalid scale or size."""


FITS = ("contain", "cover", "stretch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The size of a result: a scale, width and/or height, long side, short side, or megapixels; exactly one of these.

    fit: what to do if width and height are both given and have another aspect ratio than the picture. `contain` keeps
        the picture within them, `cover` fills them and crops the middle, `stretch` distorts the picture.
    Raises TargetError.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    long_side: int | None = None
    short_side: int | None = None
    megapixels: float | None = None
    fit: str = "contain"

    def __post_init__(self) -> None:
        for name in ("scale", "width", "height", "long_side", "short_side", "megapixels"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value > 0):
                raise TargetError(f"{name.replace('_', ' ')} must be a positive number, not {value!r}")
            if name in ("width", "height") and not isinstance(value, Integral | None):
                raise TargetError(f"{name} must be a whole number, not {value!r}")
            if value is not None:  # numpy's numbers would make tensors of another type
                object.__setattr__(self, name, int(value) if isinstance(value, Integral) else float(value))
        given = [self.scale, self.width or self.height, self.long_side, self.short_side, self.megapixels]
        if sum(v is not None for v in given) != 1:
            raise TargetError("give exactly one of scale, size, long side, short side and megapixels")
        if self.fit not in FITS:
            raise TargetError(f"fit is contain, cover or stretch, not {self.fit!r}")

    @classmethod
    def parse_size(cls, text: str, fit: str = "contain") -> Target:
        """Parse 3840x2160, 3840x (width only) or x2160 (height only). Raises TargetError."""
        match = re.fullmatch(r"(\d*)[xX×](\d*)", text.strip())
        if not match or not (match[1] or match[2]):
            raise TargetError(f"--size must be WIDTHxHEIGHT, WIDTHx or xHEIGHT, not {text!r}")
        return cls(width=int(match[1]) if match[1] else None, height=int(match[2]) if match[2] else None, fit=fit)

    def size(self, source: Size) -> Size:
        """The output size for a picture of size `source`, at least one pixel per side."""
        if self.width and self.height and self.fit == "cover":
            return Size(self.height, self.width)
        return self.enlarged(source)

    def enlarged(self, source: Size) -> Size:
        """The size to which a picture of size `source` is enlarged, before anything is cropped."""
        factor = self.factor(source)
        height, width = (max(1, math.floor(n * factor + 0.5)) for n in (source.height, source.width))
        if self.fit == "stretch" or not (self.width and self.height):
            return Size(self.height or height, self.width or width)
        bound = max if self.fit == "cover" else min  # rounding must not leave a gap or stand out by a pixel
        return Size(bound(height, self.height), bound(width, self.width))

    def shown(self, source: Size) -> Window:
        """The part of the enlarged picture that is the result: all of it, or the middle with `cover`."""
        whole, kept = self.enlarged(source), self.size(source)
        top, left = (whole.height - kept.height) // 2, (whole.width - kept.width) // 2
        return Window(top, left, kept.height, kept.width)

    def reached(self, source: Size) -> bool:
        """Whether a picture of size `source` is already as large as this asks for. A scale is never reached."""
        whole = self.enlarged(source)
        return self.scale is None and whole.height <= source.height and whole.width <= source.width

    def factor(self, source: Size) -> float:
        """The scale for a picture of size `source`; the larger of the two if both sides are given, unless the picture
        is to be contained."""
        if self.scale is not None:
            return self.scale
        if self.long_side is not None:
            return self.long_side / max(source.height, source.width)
        if self.short_side is not None:
            return self.short_side / min(source.height, source.width)
        if self.megapixels is not None:
            return math.sqrt(self.megapixels * 1e6 / (source.height * source.width))
        sides = [(self.height, source.height), (self.width, source.width)]
        return (min if self.fit == "contain" else max)(want / have for want, have in sides if want is not None)

    def label(self, source: Size) -> str:
        """The label in output names: x3.5 for scales, 3840x2160 for sizes."""
        return f"x{self.scale:g}" if self.scale is not None else str(self.size(source))
