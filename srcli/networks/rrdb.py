"""RRDB encoder (ESRGAN, Wang et al. 2018) without upsampling, as LINF uses it."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


class StackedRRDB(RRDB):
    """RRDB features of an image (B, 3, h, w) in [0, 1], with the outputs of some blocks beside the last.

    The long skip starts from the last block, not from the first convolution. upsampling: how many times the features
    are doubled in size by `upconv1`, `upconv2` ...; head: with the two last layers of official state dicts, unused.
    """

    def __init__(
        self, blocks: int = 23, features: int = 64, growth: int = 32, stacked: Sequence[int] = (), upsampling: int = 2,
        head: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(blocks, features, growth)
        if any(not 0 <= block < blocks for block in stacked):
            raise ValueError(f"stacked blocks are numbers below {blocks}, not {list(stacked)}")
        self.stacked, self.upsampling = tuple(stacked), upsampling
        for number in range(1, upsampling + 1):
            setattr(self, f"upconv{number}", conv3x3(features, features))
        if head:
            self.HRconv, self.conv_last = conv3x3(features, features), conv3x3(features, 3)
        self.channels = features * (1 + len(self.stacked))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w): the last features, then the stacked ones."""
        x, kept = self.conv_first(x), []
        for number, block in enumerate(self.RRDB_trunk):
            x = block(x)
            kept += [x] * self.stacked.count(number)
        return torch.cat([x + self.trunk_conv(x), *kept], 1)

    def maps(self, features: Tensor, ratio: float) -> Tensor:
        """The features at `ratio` times the image's size: half, the same, or doubled by learned convolutions. The
        stacked ones are repeated or dropped (nearest). h and w are even for a half."""
        last, stacked = features[:, : self.features], features[:, self.features :]
        if ratio < 1:
            return torch.cat([F.avg_pool2d(last, 2), stacked[..., ::2, ::2]], 1)
        for number in range(1, round(math.log2(ratio)) + 1):
            up = getattr(self, f"upconv{number}")
            last = F.leaky_relu(up(F.interpolate(last, scale_factor=2.0, mode="nearest")), 0.2)
        if ratio == 1 or not self.stacked:
            return features if ratio == 1 else last
        return torch.cat([last, F.interpolate(stacked, scale_factor=float(ratio), mode="nearest")], 1)

    def picture(self, features: Tensor) -> Tensor:
        """The picture (B, 3, 2^upsampling * h, 2^upsampling * w), not clamped, that the network was trained to make by
        itself before it became a part of SRFlow. It needs the head."""
        h = self.maps(features[:, : self.features], 2**self.upsampling)
        return self.conv_last(F.leaky_relu(self.HRconv(h), 0.2))
