"""Pictures of a run as it goes: a few files enlarged by the network, beside bicubic and the teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic

import numpy as np
import torch
from PIL import Image, ImageDraw

from srcli.drawing import fonts
from srcli.geometry import Size
from srcli.resampling import enlarge
from srcli.training.data.photos import to_tensor
from srcli.training.data.teacher import Teacher
from srcli.training.inference import to_bytes, whole
from srcli.training.monitor.validation import photos_of
from srcli.training.task import N, PictureTask

COUNT = 6  # pictures on a strip
SIDE, SCALE = 96, 4  # the middle of each picture, in its own pixels, and how much it is enlarged
GAP, LINE = 4, 16


class Strip(Generic[N]):
    """The first six pictures of a folder, a row for each: bicubic, the network's picture, the teacher's.

    The pictures are taken as they are; nothing is degraded. Raises RecipeError for an empty folder.

    folder: of pictures. out: where strips go, one file for each step: `strip-000500.png`. teacher: None leaves out its
    column.
    """

    def __init__(self, task: PictureTask[N], folder: Path, out: Path, teacher: Teacher | None = None) -> None:
        self.task, self.out = task, out
        self.small = [_middle(picture) for picture in list(photos_of(folder).values())[:COUNT]]
        self.columns = {"bicubic": [_bicubic(small) for small in self.small]}
        self.taught = [teacher(small, SCALE * len(small)) for small in self.small] if teacher else None

    def __call__(self, step: int, network: N) -> Path:
        """Write the strip of a step. Returns its file."""
        model = self.task.pipeline(network)
        device = next(network.parameters()).device
        made = []
        for small in self.small:
            size = Size(SCALE * small.shape[0], SCALE * small.shape[1])
            made.append(to_bytes(whole(model, to_tensor(small)[None].to(device), size, self.task.sampling)))
        columns = self.columns | {f"step {step}": made} | ({"teacher": self.taught} if self.taught else {})
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"strip-{step:06d}.png"
        _page(columns).save(path)
        return path


def _middle(picture: np.ndarray) -> np.ndarray:
    """The square in the middle, at most `SIDE` pixels a side."""
    side = min(SIDE, *picture.shape[:2])
    top, left = ((n - side) // 2 for n in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def _bicubic(small: np.ndarray) -> np.ndarray:
    size = Size(SCALE * small.shape[0], SCALE * small.shape[1])
    return to_bytes(enlarge(to_tensor(small), torch.arange(size.height), torch.arange(size.width), size)[None])


def _page(columns: Mapping[str, Sequence[np.ndarray]]) -> Image.Image:
    """Pictures in columns with their names on top; each row is as high as its pictures."""
    rows = list(zip(*columns.values(), strict=True))
    cell = SIDE * SCALE + GAP
    page = Image.new("RGB", (len(columns) * cell - GAP, LINE + len(rows) * cell - GAP), "white")
    pen, font = ImageDraw.Draw(page), fonts.load("", 11)
    for number, name in enumerate(columns):
        pen.text((number * cell + 2, 1), name, "black", font)
        for row, pictures in enumerate(rows):
            page.paste(Image.fromarray(pictures[number]), (number * cell, LINE + row * cell))
    return page
