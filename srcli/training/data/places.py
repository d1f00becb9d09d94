"""Where squares are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A square of a picture.

    index: number of the picture.
    side, top, left: in pixels.
    flipped: upside down, left to right.
    turned: transposed after that.
    """

    index: int
    side: int
    top: int
    left: int
    flipped: tuple[bool, bool]
    turned: bool

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The square of an image (H, W, 3), as a view."""
        piece = image[self.top : self.top + self.side, self.left : self.left + self.side]
        piece = piece[:: -1 if self.flipped[0] else 1, :: -1 if self.flipped[1] else 1]
        return piece.swapaxes(0, 1) if self.turned else piece
