"""Plain interpolation as a model: nothing learned, nothing invented."""

from __future__ import annotations

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.resampling import enlarged
from srcli.tiling.model import Decoded, KeepsPicture, Sampling, Scales, Stages


class PlainModel(KeepsPicture):
    """Bicubic enlargement (Keys 1981), the most faithful answer where no network knows better."""

    scales = Scales(1.0, 8.0)
    tiling = "exact"
    default_temperature = 0.0
    most_detail = 0.0
    samples = False

    def __init__(self) -> None:
        self.stages = Stages()

    def to(self, device: torch.device) -> PlainModel:
        """Returns itself: there is nothing to move."""
        return self

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return 4 * 3 * 4 * window.height * window.width

    def encode(self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None) -> Tensor:
        return lr

    def decode(self, features: Tensor, window: Window, size: Size, sampling: Sampling) -> Decoded:
        with self.stages("enlarge"):
            return Decoded(enlarged(features, window, size))
