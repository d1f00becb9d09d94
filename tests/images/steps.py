"""Random pictures and their way into files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from srcli import images
from srcli.images.layout import Layout
from srcli.images.metadata import finished, stripped
from srcli.images.picture import Picture
from srcli.provenance import Facts

RNG = np.random.default_rng(0)
MADE = Facts(version="1.2.3", model="linf-lp-s", scale=2.0, detail=1.0, temperature=0.0, seed=0)


def photo(height: int = 10, width: int = 14) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path: Path, picture: Picture, made: Facts | None = MADE, *, strip: bool = False) -> tuple[str, ...]:
    """As the tool does: the picture is already the large one."""
    data, notes = finished(stripped(picture.metadata) if strip else picture.metadata, picture.size, made)
    layout = replace(Layout.of(picture), metadata=data)
    with images.Destination(path, picture.size) as destination:
        return notes + destination.write(layout, [(picture.colour, picture.alpha)])
