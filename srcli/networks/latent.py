"""Latent modules of LINF-LP (Tsao et al. 2024), which predict the flow's latent from the LR image's own latent.

y = f(x, lr): x (B, c, h, w) is the initial latent, lr (B, 3, H, W) the image in [-1, 1], c = 3 p^2. These are the
published designs with their key names. The U-Net pools three times and upsamples with aligned corners, so it needs the
whole latent map at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import ResBlock
from srcli.networks.rrdb import DenseBlock


class LatentStem(nn.Module):
    """Projections of the latent and of the LR image, concatenated: 2 * width channels on the latent grid."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.input_proj = DenseBlock(channels, width, width)
        self.lr_proj = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=3, padding=1),
            nn.LeakyReLU(0.2),
            DenseBlock(channels, width, width),
        )

    def fits(self, flow: nn.Module) -> bool:
        """Whether it predicts latents of that flow."""
        return self.input_proj.conv1.in_channels == flow.imnet.dim

    def stem(self, x: Tensor, lr: Tensor) -> Tensor:
        image = self.lr_proj(lr)
        if image.shape[-2:] != x.shape[-2:]:
            image = F.interpolate(image, x.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([self.input_proj(x), image], dim=1)


class DoubleConv(nn.Module):
    """[3x3 convolution, BatchNorm, LeakyReLU(0.2)] twice."""

    def __init__(self, in_channels: int, out_channels: int, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.LeakyReLU(0.2),
            nn.Conv2d(middle, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """Max pooling by 2, then a DoubleConv."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Upsampling by 2, padded to the skip connection and concatenated with it, then a DoubleConv."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = DoubleConv(in_channels, out_channels, in_channels // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        dy, dx = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        x = F.pad(x, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))
        return self.conv(torch.cat([skip, x], dim=1))


class OutConv(nn.Module):
    """The final 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UNet(LatentStem):
    """The U-Net generator. Raises ValueError for latent maps below 8x8, which would be pooled away."""

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__(channels, width // 2)
        d = width
        self.inc = DoubleConv(d, d)
        self.down_layers = nn.ModuleList([Down(d, 2 * d), Down(2 * d, 4 * d), Down(4 * d, 4 * d)])
        self.up_layers = nn.ModuleList([Up(8 * d, 2 * d), Up(4 * d, d), Up(2 * d, d)])
        self.outc = OutConv(d, channels)

    def forward(self, x: Tensor, lr: Tensor) -> Tensor:
        if min(x.shape[-2:]) < 8:
            raise ValueError(f"the U-Net needs a latent map of at least 8x8, got {tuple(x.shape[-2:])}")
        levels = [self.inc(self.stem(x, lr))]
        for down in self.down_layers:
            levels.append(down(levels[-1]))
        y = levels.pop()
        for up in self.up_layers:
            y = up(y, levels.pop())
        return self.outc(y)


class EDSRLatent(LatentStem):
    """The EDSR generator: residual blocks with LeakyReLU at full resolution."""

    def __init__(self, channels: int, width: int = 64, blocks: int = 16, res_scale: float = 1.0) -> None:
        super().__init__(channels, width // 2)
        self.body = nn.Sequential(*(ResBlock(width, res_scale, 0.2) for _ in range(blocks)))
        self.last_conv = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor, lr: Tensor) -> Tensor:
        return self.last_conv(self.body(self.stem(x, lr)))
