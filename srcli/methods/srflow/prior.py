"""Our learned prior of SRFlow: all latents of the flow from the features that condition it, by a net of finite radius.

The published module corrects the latents of the upsampled image, normalised at each position. What it can know beyond
them is in the RRDB features, which are at hand; so nothing is encoded, and latents are predicted in their own units.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import ResBlock
from srcli.networks.trainable import Trainable

SLOPE = 0.1  # of the rectifiers below zero


class LevelPrior(Trainable):
    """SRFlow-LP, Tsao et al. 2024, learned prior, in a form of ours: z = G(x), the latents of all levels.

    From features (B, condition, h, w) on the LR grid with even sides to (B, channels[i], ratios[i] * h, ratios[i] * w),
    finest first. It starts at zero, the mean of the flow's latents.
    """

    def __init__(
        self, channels: Sequence[int] = (6, 96), ratios: Sequence[float] = (2, 0.5), condition: int = 96,
        width: int = 64, blocks: int = 6,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels, self.ratios = tuple(channels), tuple(ratios)
        self.stem = nn.Conv2d(condition, width, 1)
        self.body = nn.Sequential(*(ResBlock(width, slope=SLOPE) for _ in range(blocks)))
        self.heads = nn.ModuleList()
        for count, ratio in zip(channels, ratios, strict=True):
            if ratio < 1:
                head = nn.Conv2d(width, count, 4, stride=2, padding=1)
            else:
                head = nn.Conv2d(width, count * int(ratio) ** 2, 3, padding=1)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
            self.heads.append(head)
        self.radius = 2 * blocks + 2  # two pixels on one side or the other of a 4x4 kernel with stride 2
        self.outputs = ("heads",)

    def fits(self, flow: nn.Module) -> bool:
        """Whether it predicts latents of that flow."""
        ratios = (*flow.ratios[: len(self.ratios) - 1], flow.ratios[-1])  # type: ignore[index]
        wanted = (tuple(flow.latent_channels), ratios, flow.RRDB.channels)  # type: ignore[arg-type, union-attr]
        return (self.channels, self.ratios, self.stem.in_channels) == wanted

    def forward(self, features: Tensor) -> list[Tensor]:
        h = self.stem(features)
        h = F.leaky_relu(self.body(h) + h, SLOPE)
        latents = [head(h).float() for head in self.heads]
        return [
            z if ratio < 1 else F.pixel_shuffle(z, int(ratio)) for z, ratio in zip(latents, self.ratios, strict=True)
        ]
