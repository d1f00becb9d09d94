"""Small discriminators for adversarial training. They are never exported."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Logits (B, 1, H/4, W/4) of a picture and its smooth version, both (B, 3, H, W).

    Uses spectral normalisation (Miyato et al. 2018) instead of batch statistics.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 1))

        self.body = nn.Sequential(
            conv(6, width, 3, 1), nn.LeakyReLU(0.2, True),
            conv(width, 2 * width, 4, 2), nn.LeakyReLU(0.2, True),
            conv(2 * width, 2 * width, 3, 1), nn.LeakyReLU(0.2, True),
            conv(2 * width, 3 * width, 4, 2), nn.LeakyReLU(0.2, True),
            conv(3 * width, 3 * width, 3, 1), nn.LeakyReLU(0.2, True),
            conv(3 * width, 1, 3, 1),
        )  # fmt: skip

    def forward(self, image: Tensor, smooth: Tensor) -> Tensor:
        return self.body(torch.cat([image, smooth], dim=1) * 2 - 1)


class FeatureDiscriminator(nn.Module):
    """Logits (B, taps, h, w) from a frozen trunk's features of a picture and of its smooth version.

    Both are lists of (B, C, h, w), one per tap; the logits have the size of the last. Pretrained features spare the
    discriminator most of its learning (projected GANs, Sauer et al. 2021).

    widths: C of each tap.
    """

    def __init__(self, widths: tuple[int, ...], width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 * channels, width, 1), nn.LeakyReLU(0.2),
                nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 1),
            )
            for channels in widths
        )  # fmt: skip

    def forward(self, image: list[Tensor], smooth: list[Tensor]) -> Tensor:
        size = (image[-1].shape[-2], image[-1].shape[-1])
        pairs = (torch.cat([_scaled(a), _scaled(b)], 1) for a, b in zip(image, smooth, strict=True))
        made = [head(both) for head, both in zip(self.heads, pairs, strict=True)]
        return torch.cat([F.adaptive_avg_pool2d(logits, size) for logits in made], 1)


class ProjectedDiscriminator(nn.Module):
    """Logits, one map (B, 1, h, w) for each tap of a frozen trunk, from its activations (projected GANs, Sauer et al.
    2021). Activations are mixed by fixed random matrices first, so that no channel can be ignored.

    widths: channels of each tap.
    width: channels after mixing.
    """

    scales: Tensor

    def __init__(self, widths: tuple[int, ...], width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_head(width) for _ in widths)
        fixed = torch.Generator().manual_seed(5)
        for tap, channels in enumerate(widths):
            mix = torch.randn(width, channels, 1, 1, generator=fixed) / math.sqrt(channels)
            self.register_buffer(f"mix{tap}", mix)
        self.register_buffer("scales", torch.zeros(len(widths)))

    def forward(self, taps: list[Tensor]) -> list[Tensor]:
        """taps: activations (B, C, h, w). Their scale is taken from the first batch that is seen, and kept."""
        if not bool(self.scales.any()):
            self.scales.copy_(torch.stack([1 / tap.detach().float().std().clamp_min(1e-6) for tap in taps]))
        mixes = [getattr(self, f"mix{tap}") for tap in range(len(taps))]
        return [
            head(F.conv2d(tap * scale, mix))
            for head, tap, mix, scale in zip(self.heads, taps, mixes, self.scales.unbind(), strict=True)
        ]


def _head(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LeakyReLU(0.2), spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2), spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 1),
    )  # fmt: skip


class PixelDiscriminator(nn.Module):
    """Logits (B, 1, H/4, W/4) of a picture (B, 3, H, W) in [0, 1], whose sides are multiples of 4."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(12, width, 3, 1, 1), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, 2, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, 1, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, 1, 1)), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, image: Tensor) -> list[Tensor]:
        folded = F.pixel_unshuffle(image * 2 - 1, 2)
        return [self.body(folded.contiguous(memory_format=torch.channels_last))]


def _scaled(features: Tensor) -> Tensor:
    """Scale features to a mean square of about 1 at each position, less where they are weak within the batch."""
    square = features.square().mean(1, keepdim=True)
    return features * torch.rsqrt(square + 0.1 * square.mean() + 1e-6)
