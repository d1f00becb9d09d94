"""NCSN++ (Song et al. 2021) as DegFlow uses it: a velocity on latents, with BigGAN blocks and no noise scale.

The published network normalises over the whole map and attends over all of it at the lowest resolution. With
`tileable` both are left out: norms are over the channels of a pixel, and a latent only depends on those around it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3
from srcli.networks.trainable import Trainable

TIMES = 999.0  # the time 0 to 1 as the network is told it


class PixelNorm(nn.GroupNorm):
    """Norm over the channels of each pixel, instead of groups of channels over the whole map."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.permute(0, 2, 3, 1), (self.num_channels,), self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


def norm(channels: int, tileable: bool) -> nn.GroupNorm:
    return PixelNorm(channels) if tileable else nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


class Block(nn.Module):
    """BigGAN block with a time: (B, C, h, w) to (B, out, h', w'); mode `up` doubles the size, `down` halves it."""

    def __init__(self, channels: int, out: int, times: int, mode: str, dropout: float, tileable: bool) -> None:
        super().__init__()
        self.mode, self.dropout = mode, dropout
        self.GroupNorm_0, self.GroupNorm_1 = norm(channels, tileable), norm(out, tileable)
        self.Conv_0, self.Conv_1 = conv3x3(channels, out), conv3x3(out, out)
        self.Dense_0 = nn.Linear(times, out)
        if channels != out or mode:
            self.Conv_2 = nn.Conv2d(channels, out, 1)
        _begin_silent(self.Conv_1)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        h = F.silu(self.GroupNorm_0(x))
        if self.mode == "up":
            h, x = (F.interpolate(v, scale_factor=2.0, mode="nearest") for v in (h, x))
        elif self.mode == "down":
            h, x = (F.avg_pool2d(v, 2) for v in (h, x))
        h = self.Conv_0(h) + self.Dense_0(F.silu(times))[:, :, None, None]
        h = self.Conv_1(F.dropout(F.silu(self.GroupNorm_1(h)), self.dropout, self.training))
        if hasattr(self, "Conv_2"):
            x = self.Conv_2(x)
        return (x + h) / math.sqrt(2)


class NIN(nn.Module):
    """A 1x1 convolution, weights (in, out)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(channels, channels)))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens @ self.W + self.b


class Attention(nn.Module):
    """Self-attention of one head over all pixels. (B, C, h, w) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.GroupNorm_0 = norm(channels, tileable=False)
        self.NIN_0, self.NIN_1, self.NIN_2, self.NIN_3 = (NIN(channels) for _ in range(4))
        nn.init.zeros_(self.NIN_3.W)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        tokens = self.GroupNorm_0(x).flatten(2).transpose(1, 2)
        seen = F.scaled_dot_product_attention(self.NIN_0(tokens), self.NIN_1(tokens), self.NIN_2(tokens))
        return (x + self.NIN_3(seen).transpose(1, 2).view_as(x)) / math.sqrt(2)


class NCSNpp(Trainable):
    """Velocity (B, channels, h, w) at z of that shape and time t (B,) in [0, 1]; h and w multiples of `align`.

    nf: features; ch_mult: multiples of it, one a level, each at half the resolution of the one before. Modules lie in
    one list in the order in which they are used, as in the published files.
    """

    def __init__(
        self, nf: int = 128, ch_mult: tuple[int, ...] = (1, 2, 2, 2), num_res_blocks: int = 4, channels: int = 4,
        dropout: float = 0.1, tileable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.nf, self.levels, self.blocks, self.tileable = nf, len(ch_mult), num_res_blocks, tileable
        self.align = 2 ** (self.levels - 1)
        widths = [nf * m for m in ch_mult]
        times = 4 * nf

        def block(inputs: int, out: int, mode: str = "") -> Block:
            return Block(inputs, out, times, mode, dropout, tileable)

        modules: list[nn.Module] = [nn.Linear(nf, times), nn.Linear(times, times), conv3x3(channels, nf)]
        width, skipped = nf, [nf]
        for level, out in enumerate(widths):
            for _ in range(num_res_blocks):
                modules.append(block(width, out))
                width = out
                skipped.append(width)
            if level < self.levels - 1:
                modules.append(block(width, width, "down"))
                skipped.append(width)
        modules += [block(width, width), *([] if tileable else [Attention(width)]), block(width, width)]
        for level, out in reversed(list(enumerate(widths))):
            for _ in range(num_res_blocks + 1):
                modules.append(block(width + skipped.pop(), out))
                width = out
            if level:
                modules.append(block(width, width, "up"))
        modules += [norm(width, tileable), conv3x3(width, channels)]
        _begin_silent(modules[-1])
        self.all_modules = nn.ModuleList(modules)
        self.outputs = (f"all_modules.{len(modules) - 1}.", "all_modules.2.")  # not for Muon

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        if z.shape[-2] % self.align or z.shape[-1] % self.align:
            raise ValueError(f"expected sides that are multiples of {self.align}, got {tuple(z.shape)}")
        modules = iter(self.all_modules)
        times = next(modules)(embedding(t * TIMES, self.nf))
        times = next(modules)(F.silu(times))
        h = next(modules)(z)
        stack = [h]
        for level in range(self.levels):
            for _ in range(self.blocks + (level < self.levels - 1)):  # the last one halves
                h = next(modules)(h, times)
                stack.append(h)
        for _ in range(2 if self.tileable else 3):
            h = next(modules)(h, times)
        for level in reversed(range(self.levels)):
            for _ in range(self.blocks + 1):
                h = next(modules)(torch.cat([h, stack.pop()], 1), times)
            if level:
                h = next(modules)(h, times)
        h = F.silu(next(modules)(h))
        return next(modules)(h)


def embedding(label: Tensor, width: int) -> Tensor:
    """Sines and cosines of labels (B,), frequencies from 1 down to 1/10000: (B, width)."""
    half = width // 2
    steps = torch.arange(half, device=label.device, dtype=torch.float32)
    angles = label[:, None] * torch.exp(steps * -(math.log(10000) / (half - 1)))
    return torch.cat([angles.sin(), angles.cos()], 1)


def _begin_silent(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Conv2d)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
