"""Published SRFlow and SRFlow-LP checkpoints in the engine: the official definition, with our windows and repairs.

A sample needs only what its window sees. The learned prior encodes the upsampled image and pools its latents three
times, so it sees the whole image, once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.networks.srflow import SRFlow
from srcli.networks.srflow_latent import SRFlowUNet
from srcli.pipelines.base import Sampling, TooSmall
from srcli.pipelines.srflow import SRFlowFeatures, SRFlowModel
from srcli.pipelines.srflow_official import OfficialSRFlow, even_sided

HEAT = 0.9  # of the published configurations
LEAST_SIDE = 16  # LR pixels: the deepest latent has half of them, and is pooled three times


class PublishedSRFlow(SRFlowModel):
    """At the network's scale the result is what the official script writes: truncated, not rounded, to 8 bits."""

    def __init__(self, flow: SRFlow, prior: SRFlowUNet | None = None) -> None:
        super().__init__(flow)
        self.unet = prior
        self.heat = HEAT if prior is None else 0.0

    def to(self, device: torch.device) -> PublishedSRFlow:
        """Moves the model; returns itself."""
        super().to(device)
        if self.unet is not None:
            self.unet.to(device)
        return self

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image, its sides made even, whose features `decode` reads for a window."""
        return super().region(window, size, low, sampling) if self.unet is None else Window.whole(low)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region, roughly; with a prior, also of its pass through the flow."""
        need = super().encode_bytes(region)
        if self.unet is not None:
            pixels = region.height * region.width * self.flow.scale**2
            need += self.decode_bytes(pixels) + 4 * pixels * 2 * self.flow.RRDB.channels // 4
        return need

    def encode(self, lr: Tensor, size: Size, region: Window | None = None) -> SRFlowFeatures:
        if self.unet is None:
            return super().encode(lr, size, region)
        low = Size(*lr.shape[-2:])
        if min(low.height, low.width) < LEAST_SIDE:
            raise TooSmall(f"SRFlow-LP needs pictures of at least {LEAST_SIDE} pixels a side, not {low}")
        even = even_sided(lr)
        official = OfficialSRFlow(self.flow, self.unet, self.levels)
        with self.stages("encode"):
            features = self.flow.features(even)
        with self.stages("prior"):
            latents = [z.float() for z in official.predict(even, features)]
        return SRFlowFeatures(low, even, features, None, latents, Window.whole(Size(*even.shape[-2:])))

    def decode(self, features: SRFlowFeatures, window: Window, size: Size, sampling: Sampling) -> Tensor:
        made = super().decode(features, window, size, sampling)
        own = (features.low.height * self.flow.scale, features.low.width * self.flow.scale)
        return (made.clamp(0, 1) * 255).floor() / 255 if (size.height, size.width) == own else made

    def _strength(self, sampling: Sampling) -> float:
        if self.unet is not None and sampling.detail:
            return sampling.detail
        return super()._strength(sampling)
