"""What of a picture is enlarged by itself, its colour or its alpha, and a tile of it on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.images.colour import PLAIN, Space
from srcli.tiling.guard import Doubt
from srcli.tiling.model import Decoded, Sampling
from srcli.tiling.stored import Coming, Stored, uploaded

Item = TypeVar("Item")
Part = Callable[[], np.ndarray]  # stored values (height, width, channels) of a tile, once they are there


@dataclass(slots=True)
class Planes:
    """Colour or alpha on its way: the LR tensor, how to sample and to store, and the features of the whole where they
    fit."""

    lr: Tensor  # (1, 3, h, w) in [0, 1]
    channels: int
    sampling: Sampling
    stored: Stored
    shared: Any = None

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        sampling: Sampling,
        device: torch.device,
        span: tuple[float, float] = (0.0, 1.0),
        space: Space = PLAIN,
    ) -> Planes:
        """values: as stored, (h, w, 1 or 3)."""
        lr = uploaded(values, span, space, device)[None].expand(1, 3, -1, -1).contiguous()
        return cls(lr, values.shape[2], sampling, Stored(values.dtype, span, space))

    @property
    def low(self) -> Size:
        return Size(*self.lr.shape[-2:])

    def packed(self, part: Tensor) -> Coming:
        """A part of the result (1, 3, height, width), on its way as it is stored."""
        return Coming(self.stored.packed(part.mean(1, keepdim=True) if self.channels == 1 else part))


class Tile:
    """A tile that was asked for. On a GPU it, and whether it is any good, may still be on its way.

    region: the part of the LR image that its features were made from.
    """

    def __init__(self, planes: Planes, window: Window, region: Window, made: Decoded, doubt: Doubt) -> None:
        self.planes, self.window, self.region = planes, window, region
        self.values = planes.packed(made.picture)
        most, count = doubt.most.float(), made.exploded  # bfloat16 has no number for every count
        count = count.to(most) if isinstance(count, Tensor) else most.new_full((), count)
        self._flags, self._weight = Coming(torch.stack([most, count])), doubt.weight

    def flags(self) -> tuple[float, int]:
        """How far it is from what went in, as `disagreement`, and how many patches exploded. Waits for it."""
        most, exploded = self._flags.here().tolist()
        return self._weight * most, int(exploded)

    def replace(self, part: Tensor) -> None:
        """Another picture in its place."""
        self.values = self.planes.packed(part)

    def stored(self) -> np.ndarray:
        """Stored values (height, width, channels). Waits for them."""
        return self.planes.stored.unpacked(self.values.here())


def behind(items: Iterable[Item], count: int) -> Iterator[Item]:
    """The same items, each when `count` more have been asked for."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.pop(0)
    yield from waiting


def joined(parts: list[Part]) -> np.ndarray:
    """Tiles side by side."""
    made = [part() for part in parts]
    return made[0] if len(made) == 1 else np.concatenate(made, axis=1)
