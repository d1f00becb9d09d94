"""Feature trunks of perceptual distances, with torchvision's key names, and the linear heads of LPIPS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """SqueezeNet's block: a 1x1 squeeze, then parallel 1x1 and 3x3 expansions, each with ReLU."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], dim=1)


class Trunk(nn.Module):
    """Activations at fixed taps, a list of (B, C, h, w), of an ImageNet-normalised image (B, 3, H, W)."""

    def __init__(self, layers: list[nn.Module], taps: tuple[int, ...]) -> None:
        super().__init__()
        self.features: nn.Sequential = nn.Sequential(*layers)
        self.taps = taps

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for index, layer in enumerate(list(self.features)[: self.taps[-1] + 1]):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found


def squeezenet() -> Trunk:
    """SqueezeNet 1.1 (Iandola et al. 2016), with pooling that rounds sizes up."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    layers = [
        nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(), Fire(128, 32, 128),
        Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
    ]  # fmt: skip
    return Trunk(layers, (1, 4, 7, 9, 10, 11, 12))


def alexnet() -> Trunk:
    """AlexNet (Krizhevsky 2014), with taps after the five ReLUs."""
    layers = [
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    ]  # fmt: skip
    return Trunk(layers, (1, 4, 7, 9, 11))


def vgg16() -> Trunk:
    """VGG16 (Simonyan and Zisserman 2015), with taps after the last ReLU of each of the five stages."""
    layers: list[nn.Module] = []
    taps = []
    inputs = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        taps.append(len(layers) - 1)
    return Trunk(layers, tuple(taps))


TRUNKS = {"squeeze": squeezenet, "alex": alexnet, "vgg": vgg16}


def trunk(name: str) -> Trunk:
    """The trunk of this name: squeeze, alex or vgg. Raises ValueError."""
    if name not in TRUNKS:
        raise ValueError(f"unknown trunk {name!r}; use {', '.join(TRUNKS)}")
    return TRUNKS[name]()


class Heads(nn.Module):
    """The weights of LPIPS per channel and tap, (1, C, 1, 1).

    widths: C of each tap.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for number, width in enumerate(widths):
            setattr(self, f"lin{number}", nn.Conv2d(width, 1, 1, bias=False))
