"""A small patch discriminator for adversarial training; never exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Logits (B, 1, H/4, W/4) of a picture beside its smooth version, (B, 6, H, W) in [-1, 1].

    Spectral normalisation (Miyato et al. 2018) instead of batch statistics.
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
