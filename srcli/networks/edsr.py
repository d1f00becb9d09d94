"""EDSR encoder without upsampling (Lim et al. 2017; the `edsr-baseline` of LIIF and LINF)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def rectifier(slope: float) -> nn.Module:
    """An in-place LeakyReLU with this slope below zero; a ReLU for 0."""
    return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)


class ResBlock(nn.Module):
    """x + res_scale * conv(act(conv(x))), no normalisation. (B, F, h, w) to the same shape.

    slope: of the LeakyReLU; 0 for a ReLU.
    """

    def __init__(self, features: int, res_scale: float = 1.0, slope: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3x3(features, features), rectifier(slope), conv3x3(features, features))
        self.res_scale = res_scale

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return (y if self.res_scale == 1.0 else y * self.res_scale).add_(x)


class MeanShift(nn.Conv2d):
    """A 1x1 convolution that official checkpoints contain but never apply."""

    def __init__(self) -> None:
        super().__init__(3, 3, 1)
        self.weight.data.copy_(torch.eye(3).view(3, 3, 1, 1))
        self.requires_grad_(False)


class EDSR(nn.Module):
    """Features of a low-resolution image: (B, 3, h, w) in [-1, 1] to (B, features, h, w).

    mean_shift: whether to add the two unused layers of official state dicts.
    slope: of the rectifiers below zero. It is 0 in official networks; ours leak, since without normalisation whole
        blocks of ReLUs die in training.
    """

    def __init__(
        self,
        blocks: int = 16,
        features: int = 64,
        res_scale: float = 1.0,
        mean_shift: bool = False,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        if mean_shift:
            self.sub_mean, self.add_mean = MeanShift(), MeanShift()
        self.head = nn.Sequential(conv3x3(3, features))
        self.body = nn.Sequential(
            *(ResBlock(features, res_scale, slope) for _ in range(blocks)), conv3x3(features, features)
        )
        self.features = features
        # Each 3x3 convolution adds one pixel: the head, two per block, the last of the body.
        self.radius = 2 * blocks + 2
        self.widest = 2 * features  # channels in memory at once

    def forward(self, x: Tensor) -> Tensor:
        h = self.head(x)
        return self.body(h).add_(h)
