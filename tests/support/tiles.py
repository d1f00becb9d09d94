"""A picture made by a model as a whole and in tiles."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.tiling.model import Decoded, Sampling
from srcli.tiling.tiles import strips


@torch.inference_mode()
def decoded(model, lr: Tensor, size: Size, sampling: Sampling) -> Decoded:
    return model.decode(model.encode(lr, size), Window.whole(size), size, sampling)


def whole(model, lr: Tensor, size: Size, sampling: Sampling) -> Tensor:
    return decoded(model, lr, size, sampling).picture


@torch.inference_mode()
def decoded_in_tiles(model, lr: Tensor, size: Size, tile: Size, sampling: Sampling) -> Decoded:
    count, low, out = 0, Size(*lr.shape[-2:]), torch.empty(1, 3, size.height, size.width)
    for window in chain.from_iterable(strips(size, tile)):
        features = model.encode(lr, size, model.region(window, size, low, sampling))
        made = model.decode(features, window, size, sampling)
        window.cut(out).copy_(made.picture)
        count += made.exploded
    return Decoded(out, count)


def in_tiles(model, lr: Tensor, size: Size, tile: Size, sampling: Sampling) -> Tensor:
    return decoded_in_tiles(model, lr, size, tile, sampling).picture
