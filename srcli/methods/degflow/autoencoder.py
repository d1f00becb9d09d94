"""The residual autoencoder of DegFlow: the latent of a degraded picture holds only what tells it from the sharp one.

An eighth of the resolution, 4 channels. The decoder is also given features of the sharp picture (skips), always of the
sharp one, whatever the latent is of; without that picture it cannot be used. Convolutions and norms over channels
alone, so any window of a picture can be made by itself: `radius` says what it depends on.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3
from srcli.networks.trainable import Trainable

FACTOR = 8  # pixels a side of a position of the latent
KNOTS = {"LR2": 1 / 3, "LR3": 2 / 3}  # where the levels lie between 0, sharp, and 1, a fourth of the resolution
Skips = tuple[Tensor, Tensor, Tensor]


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel. (B, C, h, w) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        # In float32: the gradient of a norm over so few channels takes eight times as long in bfloat16 on CPUs.
        wide = x.float() if x.dtype.itemsize < 4 else x
        return self.body(wide.permute(0, 2, 3, 1)).to(x.dtype).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + conv(gelu(norm(conv(gelu(norm(x)))))); the convolutions have no bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm0, self.norm1 = ChannelNorm(channels), ChannelNorm(channels)
        self.conv0 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv1(F.gelu(self.norm1(self.conv0(F.gelu(self.norm0(x))))))


class Pair(nn.Module):
    """Two residual blocks, each added again with a gain per channel that begins at 0.

    down: a strided convolution to `out` channels before them; up: to `out` channels and twice the size after them.
    """

    def __init__(self, channels: int, out: int | None = None, *, down: bool = False, up: bool = False) -> None:
        super().__init__()
        width = out if down and out else channels
        if down:
            self.down = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.beta, self.gamma = (nn.Parameter(torch.zeros(1, width, 1, 1)) for _ in range(2))
        self.RB0, self.RB1 = ResidualBlock(width), ResidualBlock(width)
        if up and out:
            self.up = nn.Sequential(nn.Conv2d(width, 4 * width, 1), nn.PixelShuffle(2), nn.Conv2d(width, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "down"):
            x = self.down(x)
        x = x + self.beta * self.RB0(x)
        x = x + self.gamma * self.RB1(x)
        return self.up(x) if hasattr(self, "up") else x


class Encoder(nn.Module):
    """RGB (B, 3, H, W) in [-1, 1], sides multiples of 8, to the latent (B, latent_dim, H/8, W/8) and the skips."""

    radius = 76  # pixels that a position of the latent depends on, beyond its own: 1 + 4 + (1 + 8) + 2 * 9 + 4 * 9 + 8

    def __init__(self, base_dim: int, latent_dim: int) -> None:
        super().__init__()
        c = base_dim
        self.stem = conv3x3(3, c)
        self.EB0, self.EB1 = Pair(c), Pair(c, c, down=True)
        self.EB2, self.EB3 = Pair(c, 2 * c, down=True), Pair(2 * c, 4 * c, down=True)
        self.conv_out = conv3x3(4 * c, latent_dim)

    def skips(self, x: Tensor) -> Skips:
        """(B, C, H, W), (B, C, H/2, W/2) and (B, 2 C, H/4, W/4)."""
        f0 = self.EB0(self.stem(x.contiguous(memory_format=torch.channels_last)))
        f1 = self.EB1(f0)
        return f0, f1, self.EB2(f1)

    def forward(self, x: Tensor) -> tuple[Tensor, Skips]:
        if x.shape[-2] % FACTOR or x.shape[-1] % FACTOR:
            raise ValueError(f"expected sides that are multiples of {FACTOR}, got {tuple(x.shape)}")
        skips = self.skips(x)
        return self.conv_out(self.EB3(skips[2])), skips


class Decoder(nn.Module):
    """Latent (B, latent_dim, H/8, W/8) and the skips of the sharp picture to RGB (B, 3, H, W), about [-1, 1]."""

    # Pixels of latent and sharp picture that a pixel depends on: 8 * 5 + 4 * 4 + 2 * 4 + 4 + 1 by way of the latent;
    # 4 * 4 + 2 * 4 + 4 + 1 and 32 of the encoder by way of the coarsest skip.
    radius = 69

    def __init__(self, base_dim: int, latent_dim: int) -> None:
        super().__init__()
        c = base_dim
        self.conv_in = conv3x3(latent_dim, 4 * c)
        self.DB0, self.DB1 = Pair(4 * c, 2 * c, up=True), Pair(2 * c, c, up=True)
        self.DB2, self.DB3 = Pair(c, c, up=True), Pair(c)
        self.conv_cat2 = nn.Conv2d(4 * c, 2 * c, 1)
        self.conv_cat1, self.conv_cat0 = nn.Conv2d(2 * c, c, 1), nn.Conv2d(2 * c, c, 1)
        self.refine = nn.Sequential(nn.GELU(), conv3x3(c, 3))

    def forward(self, z: Tensor, skips: Skips) -> Tensor:
        y = self.DB0(self.conv_in(z.contiguous(memory_format=torch.channels_last)))
        y = self.DB1(self.conv_cat2(torch.cat([y, skips[2]], 1)))
        y = self.DB2(self.conv_cat1(torch.cat([y, skips[1]], 1)))
        y = self.DB3(self.conv_cat0(torch.cat([y, skips[0]], 1)))
        # Pixels are finer than the steps of bfloat16 near 1.
        with torch.autocast(y.device.type, enabled=False):
            return self.refine(y.to(self.refine[1].weight.dtype))


class Autoencoder(Trainable):
    """Encoder and decoder under their official names, and where the known levels lie on the path."""

    def __init__(self, base_dim: int = 128, latent_dim: int = 4) -> None:
        super().__init__()
        self.base_dim, self.latent_dim = base_dim, latent_dim
        self.encoder, self.decoder = Encoder(base_dim, latent_dim), Decoder(base_dim, latent_dim)
        # The layers between blocks have no activation: with PyTorch's own start latents would begin at a hundredth.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        logits = {name: torch.tensor(math.log(p / (1 - p))) for name, p in KNOTS.items()}
        self.t_params = nn.ParameterDict({k: nn.Parameter(v, requires_grad=False) for k, v in logits.items()})

    def positions(self) -> Tensor:
        """Of the levels 1, 2 and 4 on the path: (3,), from 0 to 1."""
        middle = self.t_params["LR2"].float().sigmoid()
        return torch.stack([torch.zeros_like(middle), middle, torch.ones_like(middle)])

    def forward(self, x: Tensor, hr: Tensor) -> Tensor:
        """x as it comes back by way of its latent, with the skips of hr; (B, 3, H, W) each."""
        z, _ = self.encoder(x)
        return self.decoder(z, self.encoder.skips(hr))
