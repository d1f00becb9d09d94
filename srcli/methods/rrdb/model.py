"""The RRDB networks that SRFlow starts from: one picture, no sampling; other scales by resampling their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.methods.srflow.network import StackedRRDB
from srcli.resampling import resample, source_window, window_taps
from srcli.tiling.model import Sampling, Scales, Stages

MARGIN = 2  # LR pixels that the doublings and the two last convolutions see, rounded up
LEAST_PIXELS = 7000  # smaller regions are grown to it: other kernels would round differently


@dataclass(frozen=True, slots=True)
class RrdbFeatures:
    """Features of a region of an LR image of size `low`."""

    low: Size
    maps: Tensor
    region: Window


class RrdbModel:
    """Windows are made from all LR pixels that they depend on."""

    tiling = "exact"
    heat = 0.0
    most_detail = 0.0
    exploded = 0  # nothing is inverted

    def __init__(self, network: StackedRRDB) -> None:
        if network.stacked:
            raise ValueError("an RRDB that makes pictures stacks no blocks")
        self.network, self.scale = network, 2**network.upsampling
        self.scales, self.stages = Scales(1.0, float(self.scale)), Stages()

    def to(self, device: torch.device) -> RrdbModel:
        """Moves the model; returns itself."""
        self.network.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image whose features `decode` reads for a window."""
        core = self._core(window, size, low)
        return core.within(low, margin=MARGIN, minimum=LEAST_PIXELS)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region, roughly."""
        return 4 * region.height * region.width * (3 * self.network.widest + self.network.channels)

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return 4 * window.height * window.width * 4 * self.network.features

    # --- the picture ---

    def encode(self, lr: Tensor, size: Size, region: Window | None = None) -> RrdbFeatures:
        low = Size(*lr.shape[-2:])
        region = region or Window.whole(low)
        # Features inside depend only on pixels within the radius, so cropping the margin is exact.
        part = region.within(low, margin=self.network.radius)
        with self.stages("encode"):
            image = lr[..., part.top : part.bottom, part.left : part.right]
            maps = self.network(image.contiguous(memory_format=torch.channels_last))
        y, x = region.top - part.top, region.left - part.left
        return RrdbFeatures(low, maps[..., y : y + region.height, x : x + region.width], region)

    def decode(self, features: RrdbFeatures, window: Window, size: Size, sampling: Sampling) -> Tensor:
        low, region = features.low, features.region
        area = self._core(window, size, low).within(low, margin=MARGIN, minimum=LEAST_PIXELS)
        y, x = area.top - region.top, area.left - region.left
        with self.stages("decode"):
            part = features.maps[..., y : y + area.height, x : x + area.width]
            made = self.network.picture(part.contiguous(memory_format=torch.channels_last)).float()
        with self.stages("resample"):
            top, left = area.top * self.scale, area.left * self.scale
            if size == self._own(low):
                y, x = window.top - top, window.left - left
                return made[..., y : y + window.height, x : x + window.width].contiguous()
            return resample(made, *window_taps(window, self._own(low), size), top, left)

    # --- where ---

    def _own(self, low: Size) -> Size:
        return Size(low.height * self.scale, low.width * self.scale)

    def _core(self, window: Window, size: Size, low: Size) -> Window:
        """LR pixels that cover what is needed at the network's scale for a window of the output."""
        window = source_window(window, self._own(low), size)
        top, left = window.top // self.scale, window.left // self.scale
        return Window(top, left, -(-window.bottom // self.scale) - top, -(-window.right // self.scale) - left)
