"""The RRDB networks that SRFlow starts from: one picture, no sampling; other scales by resampling their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.networks.rrdb import StackedRRDB
from srcli.tiling.fixed_scale import FixedScale
from srcli.tiling.kernels import ENCODED_PIXELS
from srcli.tiling.model import Decoded, Sampling

MARGIN = 2  # LR pixels that the doublings and the two last convolutions see, rounded up


@dataclass(frozen=True, slots=True)
class RrdbFeatures:
    """Features of a region of an LR image of size `low`."""

    low: Size
    maps: Tensor
    region: Window


class RrdbModel(FixedScale):
    """Windows are made from all LR pixels that they depend on."""

    default_temperature = 0.0
    most_detail = 0.0
    samples = False

    def __init__(self, network: StackedRRDB) -> None:
        if network.stacked:
            raise ValueError("an RRDB that makes pictures stacks no blocks")
        super().__init__(2**network.upsampling)
        self.network = network

    def to(self, device: torch.device) -> RrdbModel:
        """Moves the model; returns itself."""
        self.network.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image whose features `decode` reads for a window."""
        core = self._core(window, size, low)
        return core.within(low, margin=MARGIN, minimum=ENCODED_PIXELS)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region, roughly."""
        return 4 * region.height * region.width * (3 * self.network.widest + self.network.channels)

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return 4 * window.height * window.width * 4 * self.network.features

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> RrdbFeatures:
        low = Size(*lr.shape[-2:])
        region = region or Window.whole(low)
        # Features inside depend only on pixels within the radius, so cropping the margin is exact.
        part = region.within(low, margin=self.network.radius)
        with self.stages("encode"):
            image = part.cut(lr)
            maps = self.network(image.contiguous(memory_format=torch.channels_last))
        return RrdbFeatures(low, region.cut(maps, part), region)

    def decode(self, features: RrdbFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        low, region = features.low, features.region
        area = self._core(window, size, low).within(low, margin=MARGIN, minimum=ENCODED_PIXELS)
        with self.stages("decode"):
            part = area.cut(features.maps, region)
            made = self.network.picture(part.contiguous(memory_format=torch.channels_last)).float()
        return Decoded(self.resized(made, area.scaled(self.scale), window, size, low))

    # --- where ---

    def _core(self, window: Window, size: Size, low: Size) -> Window:
        """LR pixels that cover what is needed at the network's scale for a window of the output."""
        return self.own_window(window, size, low).scaled(1 / self.scale)
