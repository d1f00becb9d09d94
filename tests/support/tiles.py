"""A picture made by a model as a whole and in tiles."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.tiling.model import Sampling
from srcli.tiling.tiles import strips


@torch.inference_mode()
def whole(model, lr: Tensor, size: Size, sampling: Sampling) -> Tensor:
    return model.decode(model.encode(lr, size), Window.whole(size), size, sampling)


@torch.inference_mode()
def in_tiles(model, lr: Tensor, size: Size, tile: Size, sampling: Sampling) -> Tensor:
    low, out = Size(*lr.shape[-2:]), torch.empty(1, 3, size.height, size.width)
    for window in chain.from_iterable(strips(size, tile)):
        features = model.encode(lr, size, model.region(window, size, low, sampling))
        part = model.decode(features, window, size, sampling)
        out[..., window.top : window.bottom, window.left : window.right] = part
    return out
