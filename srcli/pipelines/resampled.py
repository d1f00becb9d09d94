"""Other scales of networks that make one: what a window of the output needs of the picture at the own size."""

from __future__ import annotations

from srcli.geometry import Size, Window
from srcli.networks.resample import Taps, taps


def window_taps(window: Window, own: Size, size: Size) -> tuple[Taps, Taps]:
    """Rows and columns of a window of the output `size`, from a picture of the size `own`."""
    return (
        taps(window.top, window.bottom, own.height, size.height),
        taps(window.left, window.right, own.width, size.width),
    )


def needed(window: Window, own: Size, size: Size) -> Window:
    """The part of the picture of the size `own` that a window of the output is made from."""
    if size == own:
        return window
    rows, cols = window_taps(window, own, size)
    return Window(rows.first, cols.first, rows.last - rows.first, cols.last - cols.first)
