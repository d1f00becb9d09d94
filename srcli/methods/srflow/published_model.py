"""Published SRFlow and SRFlow-LP checkpoints in the engine: the official definition, with our windows and repairs.

A sample needs only what its window sees. The learned prior encodes the upsampled image and pools its latents three
times, so it sees the whole image, once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.flows.learned_prior import normalised
from srcli.geometry import Size, Window
from srcli.methods.srflow.folded import Level
from srcli.methods.srflow.model import SRFlowFeatures, SRFlowModel
from srcli.methods.srflow.network import SRFlow
from srcli.methods.srflow.official import even_sided
from srcli.methods.srflow.published_prior import SRFlowUNet
from srcli.tiling.model import Decoded, Sampling, TooSmall
from srcli.tiling.tiles import strips

TEMPERATURE = 0.9  # of the published configurations
LEVEL_BLOCK = 256  # side of what is encoded at once, in positions of a level
LEAST_SIDE = 16  # LR pixels: the deepest latent has half of them, and is pooled three times


class PublishedSRFlow(SRFlowModel):
    """At the network's scale the result is what the official script writes: truncated, not rounded, to 8 bits."""

    def __init__(self, flow: SRFlow, prior: SRFlowUNet | None = None) -> None:
        super().__init__(flow)
        self.unet = prior
        self.default_temperature, self.most_detail = (TEMPERATURE, 0.0) if prior is None else (0.0, 1.0)

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
        """Working memory of encoding a region, roughly; with a prior, also of the U-Net of the finest latent."""
        need = super().encode_bytes(region)
        if self.unet is not None:
            pixels = region.height * region.width * self.flow.scale**2
            need += self._inverse_bytes(pixels) + 10 * self.unet.width * pixels
        return need

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> SRFlowFeatures:
        if self.unet is None:
            return super().encode(lr, size, region)
        low, even = Size(*lr.shape[-2:]), even_sided(lr)
        if min(low.height, low.width) < LEAST_SIDE:
            raise TooSmall(f"SRFlow-LP needs pictures of at least {LEAST_SIDE} pixels a side, not {low}")
        with self.stages("encode"):
            features = self.flow.features(even)
            initial = self._initial(even, features)
        with self.stages("prior"):
            latents = [z.float() for z in self.unet([normalised(z) for z in initial])]
        return SRFlowFeatures(low, even, features, None, latents, Window.whole(Size(*even.shape[-2:])))

    def _initial(self, lr: Tensor, features: Tensor) -> list[Tensor]:
        """Latents of the bilinearly upsampled image, finest first; each level of the flow in windows with what its
        couplings see, two positions a step."""
        z = F.interpolate(lr, scale_factor=float(self.flow.scale), mode="bilinear", align_corners=False)
        low, latents = Size(*lr.shape[-2:]), []
        for level, ratio in zip(self.levels, self.flow.ratios, strict=True):
            grid = Size(z.shape[2] // 2, z.shape[3] // 2)
            kept, left = [], []
            for part in strips(grid, Size(LEVEL_BLOCK, LEVEL_BLOCK)):
                made = [self._encoded(level, z, features, window, grid, ratio, low) for window in part]
                kept.append(torch.cat([stays for stays, _ in made], 3))
                left.append([eps for _, eps in made if eps is not None])
            z = torch.cat(kept, 2)
            if level.split is not None:
                latents.append(torch.cat([torch.cat(row, 3) for row in left], 2))
        return [*latents, z]

    def _encoded(
        self, level: Level, z: Tensor, features: Tensor, window: Window, grid: Size, ratio: float, low: Size
    ) -> tuple[Tensor, Tensor | None]:
        """A window of what stays of a level and of its latent."""
        area = window.within(grid, margin=2 * self.flow.steps + 1)
        known = self._area(area, ratio, low)
        maps = area.cut(self.flow.RRDB.maps(known.cut(features), ratio), known.scaled(ratio))
        stays, eps, _ = level.encode(area.scaled(2).cut(z), maps.contiguous(memory_format=torch.channels_last))
        return window.cut(stays, area), None if eps is None else window.cut(eps, area)

    def decode(self, features: SRFlowFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        made = super().decode(features, window, size, sampling)
        own = (features.low.height * self.flow.scale, features.low.width * self.flow.scale)
        if (size.height, size.width) != own:
            return made
        return replace(made, picture=(made.picture.clamp(0, 1) * 255).floor() / 255)

    def _strength(self, sampling: Sampling) -> float:
        if self.unet is not None and sampling.detail:
            return sampling.detail
        return super()._strength(sampling)
