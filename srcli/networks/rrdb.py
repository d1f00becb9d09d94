"""RRDB encoder (ESRGAN, Wang et al. 2018) without upsampling, as LINF uses it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3


class DenseBlock(nn.Module):
    """Five densely connected 3x3 convolutions, LeakyReLU(0.2) after the first four.

    (B, in_channels, h, w) to (B, out_channels, h, w), without a residual connection.
    """

    def __init__(self, in_channels: int, growth: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, growth)
        self.conv2 = conv3x3(in_channels + growth, growth)
        self.conv3 = conv3x3(in_channels + 2 * growth, growth)
        self.conv4 = conv3x3(in_channels + 3 * growth, growth)
        self.conv5 = conv3x3(in_channels + 4 * growth, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(conv(seen), 0.2)], dim=1)
        return self.conv5(seen)


class RDB(DenseBlock):
    """Residual dense block: 0.2 * dense(x) + x."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__(features, growth, features)

    def forward(self, x: Tensor) -> Tensor:
        return 0.2 * super().forward(x) + x


class RRDBlock(nn.Module):
    """Residual in residual: 0.2 * RDB(RDB(RDB(x))) + x."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (RDB(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return 0.2 * self.RDB3(self.RDB2(self.RDB1(x))) + x


class RRDB(nn.Module):
    """Features of a low-resolution image: (B, 3, h, w) in [-1, 1] to (B, features, h, w).

    upsampling_keys: whether to add the four unused layers of official state dicts.
    """

    def __init__(self, blocks: int = 23, features: int = 64, growth: int = 32, upsampling_keys: bool = False) -> None:
        super().__init__()
        self.conv_first = conv3x3(3, features)
        self.RRDB_trunk = nn.Sequential(*(RRDBlock(features, growth) for _ in range(blocks)))
        self.trunk_conv = conv3x3(features, features)
        if upsampling_keys:
            self.upconv1, self.upconv2, self.HRconv = (conv3x3(features, features) for _ in range(3))
            self.conv_last = conv3x3(features, 3)
        self.features = features
        self.radius = 15 * blocks + 2
        self.widest = features + 4 * growth  # channels within a dense block

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv_first(x)
        return first + self.trunk_conv(self.RRDB_trunk(first))
