"""Pictures of a network in training, or of one that teaches it, in one window."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from srcli import runtime
from srcli.geometry import Size, Window
from srcli.tiling.model import Model, Sampling


def whole(model: Model, lr: Tensor, size: Size, sampling: Sampling) -> Tensor:
    """The complete output (1, 3, H, W) in one window."""
    with torch.inference_mode(), runtime.mixed(lr.device):
        return model.decode(model.encode(lr, size, None, sampling), Window.whole(size), size, sampling).picture


def to_bytes(image: Tensor) -> np.ndarray:
    """(1, 3, H, W) in [0, 1] as uint8 (H, W, 3), clamped and rounded."""
    return (image[0].float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
