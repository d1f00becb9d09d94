"""SRFlow and SRFlow-LP as their official scripts run them, whole images at once: for published checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.flows.learned_prior import normalised
from srcli.methods.srflow.network import SRFlow
from srcli.methods.srflow.published_prior import SRFlowUNet


class OfficialSRFlow:
    """The inverses of the flow are made once, when it is made."""

    def __init__(self, flow: SRFlow, prior: SRFlowUNet | None = None) -> None:
        self.flow, self.prior = flow, prior
        self.levels = flow.flowUpsamplerNet.fold(inverse=True)

    def initial(self, lr: Tensor) -> list[Tensor]:
        """Latents of the bilinearly upsampled image, not normalised. lr: (B, 3, h, w) in [0, 1] with even sides."""
        up = F.interpolate(lr, scale_factor=float(self.flow.scale), mode="bilinear", align_corners=False)
        return self.flow.encode(up, self._maps(lr), self.levels)[0]

    def predict(self, lr: Tensor) -> list[Tensor]:
        """Latents of the learned prior."""
        assert self.prior is not None
        return self.prior([normalised(z) for z in self.initial(lr)])

    def sample(self, lr: Tensor, temperature: float, seed: int = 0) -> list[Tensor]:
        """SRFlow, Lugmayr et al. 2020, sampling: z ~ N(0, tau^2), for every level, the last and deepest drawn first.

        lr: (B, 3, h, w) with even sides. temperature: tau. Returns the latents, finest first.
        """
        generator = torch.Generator().manual_seed(seed)
        height, width = (n * self.flow.scale for n in lr.shape[-2:])
        drawn = []
        for number, channels in reversed(list(enumerate(self.flow.latent_channels))):
            last = number + 1 == len(self.flow.latent_channels)
            step = 2 ** (len(self.flow.ratios) if last else number + 1)
            shape = (len(lr), channels, height // step, width // step)
            drawn.append((torch.randn(shape, generator=generator) * temperature).to(lr.device))
        return drawn[::-1]

    def decode(self, lr: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """The picture, not clamped."""
        return self.flow.decode(latents, self._maps(lr), self.levels)

    def upscale(self, lr: Tensor, temperature: float = 0.9, seed: int = 0) -> Tensor:
        """(1, 3, h, w) in [0, 1] to (1, 3, scale * h, scale * w), clamped: of the prior where there is one, else a
        sample. The official scripts truncate it to 8 bits."""
        even = even_sided(lr)
        latents = self.predict(even) if self.prior is not None else self.sample(even, temperature, seed)
        height, width = (n * self.flow.scale for n in lr.shape[-2:])
        return self.decode(even, latents).clamp(0, 1)[..., :height, :width]

    def _maps(self, lr: Tensor) -> list[Tensor]:
        return self.flow.maps(self.flow.features(lr))


def even_sided(lr: Tensor) -> Tensor:
    """The image with its last row and column reflected where a side is odd (a side of one pixel: repeated)."""
    for dim in (2, 3):
        last = lr.shape[dim] - 1
        if last % 2 == 0:
            lr = torch.cat([lr, lr.narrow(dim, max(0, last - 1), 1)], dim)
    return lr
