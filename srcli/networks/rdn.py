"""RDN encoder (Zhang et al., CVPR 2018) without upsampling, as LIIF and LINF use it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3


class DenseLayer(nn.Module):
    """A 3x3 convolution with ReLU, whose output is concatenated to its input."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv3x3(in_channels, growth))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, F.relu(self.conv(x))], dim=1)


class ResidualDenseBlock(nn.Module):
    """x + LFF(dense layers of x), with a 1x1 convolution LFF (section 3.2 of the paper)."""

    def __init__(self, features: int, growth: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(DenseLayer(features + i * growth, growth) for i in range(layers)))
        self.LFF = nn.Conv2d(features + layers * growth, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.LFF(self.convs(x)).add_(x)


class RDN(nn.Module):
    """Features of a low-resolution image: (B, 3, h, w) in [-1, 1] to (B, features, h, w).

    The defaults are configuration B of the official code, as used by LIIF and LINF.
    """

    def __init__(self, blocks: int = 16, layers: int = 8, features: int = 64, growth: int = 64) -> None:
        super().__init__()
        self.SFENet1, self.SFENet2 = conv3x3(3, features), conv3x3(features, features)
        self.RDBs = nn.ModuleList(ResidualDenseBlock(features, growth, layers) for _ in range(blocks))
        self.GFF = nn.Sequential(nn.Conv2d(blocks * features, features, 1), conv3x3(features, features))
        self.features = features
        # Each 3x3 convolution adds one pixel: the first two, those of the blocks, the last of the fusion.
        self.radius = 2 + blocks * layers + 1
        self.widest = blocks * features + features + layers * growth  # channels in memory at once

    def forward(self, x: Tensor) -> Tensor:
        first = self.SFENet1(x)
        h, outputs = self.SFENet2(first), []
        for block in self.RDBs:
            h = block(h)
            outputs.append(h)
        return self.GFF(torch.cat(outputs, dim=1)).add_(first)
