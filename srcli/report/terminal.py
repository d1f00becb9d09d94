"""Show pictures in a terminal with 24-bit colour: each character shows two pixels, with the upper half block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from rich.console import Group
from rich.style import Style
from rich.table import Table
from rich.text import Text


def preview(pictures: Sequence[np.ndarray], labels: Sequence[str], columns: int) -> Table:
    """Pictures side by side, each under its label.

    pictures: uint8 (H, W, 3) each.
    columns: width in characters.
    """
    width = max(8, (columns - 2 * len(pictures)) // len(pictures))
    table = Table.grid(padding=(0, 1))
    table.add_row(*(Group(Text(label), _blocks(image, width)) for label, image in zip(labels, pictures, strict=True)))
    return table


def _blocks(image: np.ndarray, width: int) -> Text:
    height = max(2, round(image.shape[0] * width / image.shape[1]) // 2 * 2)
    small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
    text = Text(no_wrap=True)
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", Style.parse(f"{_hex(above)} on {_hex(below)}"))
        text.append("\n")
    return text


def _hex(pixel: np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(v) for v in pixel))
