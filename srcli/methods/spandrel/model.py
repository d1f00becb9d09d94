"""Networks of unknown reach in the engine: blocks at fixed places, blended where they overlap."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.methods.spandrel.network import SpandrelNet
from srcli.tiling.fixed_scale import FixedScale
from srcli.tiling.model import Decoded, KeepsPicture, Sampling

BLOCK = 192  # pixels of the small picture from one block to the next
RAMP = 16  # pixels on both sides of a border over which one block becomes the other
HALO = 32  # pixels that a block sees beyond its ramp
WHOLE = BLOCK + 2 * (RAMP + HALO)  # a side up to which there is one block, which sees all
COST = 12_000  # bytes of working memory for a pixel of a block, roughly: architectures differ by ten times


class SpandrelModel(KeepsPicture, FixedScale):
    """Blocks lie at absolute places, so that results do not depend on tiles: they are only close to what the network
    makes of the whole picture. Pictures of up to 288 pixels a side are one block."""

    tiling = "bounded"
    default_temperature = 0.0
    most_detail = 0.0
    samples = False

    def __init__(self, network: SpandrelNet) -> None:
        super().__init__(network.scale)
        self.network = network

    def to(self, device: torch.device) -> SpandrelModel:
        """Moves the model; returns itself."""
        self.network.to(device)
        return self

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return COST * WHOLE**2 + 4 * window.height * window.width * 24

    def encode(self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None) -> Tensor:
        return lr

    def decode(self, features: Tensor, window: Window, size: Size, sampling: Sampling) -> Decoded:
        low = Size(*features.shape[-2:])
        needed = self.own_window(window, size, low)
        return Decoded(self.resized(self._own(features, needed, low), needed, window, size, low))

    def _own(self, lr: Tensor, needed: Window, low: Size) -> Tensor:
        """A part of the picture at the network's scale, (1, 3, h, w)."""
        total = lr.new_zeros(1, 3, needed.height, needed.width)
        for top, bottom in _blocks(low.height):
            rows = _share(needed.top, needed.bottom, top, bottom, low.height, self.scale).to(lr)
            if not rows.any():
                continue
            for left, right in _blocks(low.width):
                cols = _share(needed.left, needed.right, left, right, low.width, self.scale).to(lr)
                if cols.any():
                    self._add(total, lr, Window(top, left, bottom - top, right - left), needed, rows, cols)
        return total

    def _add(self, total: Tensor, lr: Tensor, core: Window, needed: Window, rows: Tensor, cols: Tensor) -> None:
        seen = core.within(Size(*lr.shape[-2:]), margin=RAMP + HALO)
        with self.stages("network"):
            made = self.network(seen.cut(lr).contiguous())
        shown = seen.scaled(self.scale)
        top, left = max(shown.top, needed.top), max(shown.left, needed.left)
        bottom, right = min(shown.bottom, needed.bottom), min(shown.right, needed.right)
        part = Window(top, left, bottom - top, right - left)
        within = part.inside(needed)
        weight = rows[within.top : within.bottom, None] * cols[within.left : within.right]
        within.cut(total).add_(part.cut(made, shown).to(total) * weight)


def _blocks(length: int) -> list[tuple[int, int]]:
    """The cores of the blocks along an axis of so many pixels."""
    if length <= WHOLE:
        return [(0, length)]
    edges = [*range(0, length - BLOCK // 2, BLOCK), length]  # the last block is between half and one and a half as long
    return list(pairwise(edges))


def _share(first: int, last: int, start: int, end: int, length: int, scale: int) -> Tensor:
    """The weight of a block with the core start..end in the pixels first..last of the enlarged axis, (last - first,);
    those of all blocks add up to 1."""
    place = (torch.arange(first, last, dtype=torch.float64) + 0.5) / scale
    rise = ((place - start + RAMP) / (2 * RAMP)).clamp(0, 1) if start else torch.ones_like(place)
    fall = ((end + RAMP - place) / (2 * RAMP)).clamp(0, 1) if end < length else torch.ones_like(place)
    return torch.minimum(rise, fall)
