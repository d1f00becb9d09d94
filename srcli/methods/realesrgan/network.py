"""The two architectures of Real-ESRGAN (Wang et al. 2021): ESRGAN's RRDB network (Wang et al. 2018), and the plain
stack of convolutions of its small models.

Both take (B, 3, h, w) in [0, 1] to (B, 3, scale * h, scale * w), not clamped. They do so in two parts, so that pictures
can be made in tiles: `encode`, on a grid of `fold` by `fold` pixels, and `decode`.

Two networks of one shape can be mixed (`mixed`).
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3
from srcli.networks.rrdb import RRDB

Network = TypeVar("Network", bound=nn.Module)


class Compact(nn.Module):
    """SRVGGNetCompact: convolutions with PReLU at the small picture's size, then a pixel shuffle, added to the picture
    enlarged by repeating its pixels. Key names are the official ones.

    width: channels.
    convs: convolutions between the first and the last.
    scale: 1, 2, 3 or 4.
    """

    fold = 1
    margin = 1  # positions of the features around a window that `decode` sees

    def __init__(self, *, width: int = 64, convs: int = 32, scale: int = 4) -> None:
        super().__init__()
        if width < 1 or not 1 <= scale <= 4:
            raise ValueError(f"a compact network has channels and a scale from 1 to 4, not {width} and {scale}")
        self.scale = scale
        layers: list[nn.Module] = [conv3x3(3, width), nn.PReLU(width)]
        for _ in range(convs):
            layers += [conv3x3(width, width), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, conv3x3(width, 3 * scale**2)])
        self.radius = convs + 1  # pixels of the small picture that the features of one depend on
        self.widest = 3 * width
        self.tail = 6 * scale**2  # numbers for each pixel of the small picture while the picture is made

    def encode(self, lr: Tensor) -> Tensor:
        """(B, width, h, w)."""
        for layer in self.body[:-1]:
            lr = layer(lr)
        return lr

    def decode(self, features: Tensor, lr: Tensor) -> Tensor:
        """The picture of features and of the small picture that they belong to."""
        base = lr.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return F.pixel_shuffle(self.body[-1](features).float(), self.scale) + base

    def forward(self, lr: Tensor) -> Tensor:
        return self.decode(self.encode(lr), lr)


class ESRGAN(RRDB):
    """RRDBNet. For scales below 4 the picture is folded first (pixel unshuffle), so that the network always enlarges
    what it sees by 4.

    scale: 1, 2 or 4.
    """

    margin = 2

    def __init__(self, *, blocks: int = 23, features: int = 64, growth: int = 32, scale: int = 4) -> None:
        super().__init__(blocks, features, growth)
        if scale not in (1, 2, 4):
            raise ValueError(f"the RRDB of Real-ESRGAN makes the scales 1, 2 and 4, not {scale}")
        self.scale, self.fold = scale, 4 // scale
        self.conv_first = conv3x3(3 * self.fold**2, features)
        self.upconv1, self.upconv2, self.HRconv = (conv3x3(features, features) for _ in range(3))
        self.conv_last = conv3x3(features, 3)
        self.radius = self.fold * self.radius
        self.tail = 16 * 3 * features // self.fold**2

    def encode(self, lr: Tensor) -> Tensor:
        """(B, features, h / fold, w / fold); h and w are multiples of `fold`."""
        return super().forward(F.pixel_unshuffle(lr, self.fold).contiguous(memory_format=torch.channels_last))

    def decode(self, features: Tensor, lr: Tensor) -> Tensor:
        """The picture of features. The small picture is not looked at again."""
        for conv in (self.upconv1, self.upconv2):
            features = F.leaky_relu(conv(F.interpolate(features, scale_factor=2.0, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.HRconv(features), 0.2)).float()

    def forward(self, lr: Tensor) -> Tensor:
        return self.decode(self.encode(lr), lr)


def mixed(first: Network, second: Network, share: float) -> Network:
    """A network whose weights lie on the line between those of two: network interpolation (Wang et al., CVPR 2019),
    Real-ESRGAN's denoising strength.

    first, second: networks of one shape.
    share: of the first, from 0 to 1.
    """
    made, others = copy.deepcopy(first), second.state_dict()
    with torch.no_grad():
        for name, weights in made.state_dict().items():
            weights.copy_(torch.lerp(others[name], weights, share))
    return made
