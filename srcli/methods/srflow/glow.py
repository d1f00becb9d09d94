"""Steps of a conditional Glow (Kingma and Dhariwal 2018) as SRFlow has them (Lugmayr et al. 2020, section 3.4).

A step is ActNorm, an invertible 1x1 convolution and an affine coupling: first all channels are moved by what the
features say, then the second half by what the features and the first half say. Key names are the official ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.methods.srflow.folded import OFFICIAL, Bounds, FoldedNet, FoldedSplit, FoldedStep, Kernel, Level


class ActNorm(nn.Module):
    """(x + bias) * exp(logs) per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.logs = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.bias) * self.logs.exp()

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Mean 0 and deviation 1 for the channels of x."""
        self.bias.copy_(-x.mean((0, 2, 3), keepdim=True))
        self.logs.copy_(-(x.std((0, 2, 3), keepdim=True) + 1e-6).log())


class NormedConv(nn.Conv2d):
    """A convolution without bias and its ActNorm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.actnorm = ActNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.actnorm(super().forward(x))

    def fold(self) -> Kernel:
        """One convolution that does both."""
        factor = self.actnorm.logs.exp()
        return self.weight * factor.view(-1, 1, 1, 1), (self.actnorm.bias * factor).flatten()


class PairConv(nn.Conv2d):
    """A 3x3 convolution to pairs (even channels: shift or mean; odd: logit of the scale or log of the deviation),
    times exp(3 * logs). It starts at zero."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.logs = nn.Parameter(torch.zeros(out_channels, 1, 1))
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    def fold(self) -> Kernel:
        """One convolution that does both, all even channels before all odd ones."""
        factor = (3 * self.logs).exp()
        weight, bias = self.weight * factor[..., None], self.bias * factor.flatten()  # type: ignore[operator]
        return torch.cat([weight[0::2], weight[1::2]]), torch.cat([bias[0::2], bias[1::2]])


class Invertible(nn.Module):
    """An invertible 1x1 convolution, at first a rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])


def coupling_net(in_channels: int, hidden: int, out_channels: int, slope: float) -> nn.Sequential:
    """3x3, 1x1 and 3x3 convolution; slope: of the rectifiers below zero."""
    return nn.Sequential(
        NormedConv(in_channels, hidden, 3),
        nn.LeakyReLU(slope),
        NormedConv(hidden, hidden, 1),
        nn.LeakyReLU(slope),
        PairConv(hidden, out_channels),
    )


class Coupling(nn.Module):
    """The two networks of a step: `fFeatures` moves all channels, `fAffine` the second half."""

    def __init__(self, channels: int, condition: int, hidden: int, slope: float) -> None:
        super().__init__()
        half = channels // 2
        self.fAffine = coupling_net(half + condition, hidden, 2 * (channels - half), slope)
        self.fFeatures = coupling_net(condition, hidden, 2 * channels, slope)


class Step(nn.Module):
    """One step of the flow. hidden = 0: without a coupling."""

    def __init__(
        self, channels: int, condition: int = 0, hidden: int = 0, slope: float = 0.0, bounds: Bounds = OFFICIAL
    ) -> None:
        super().__init__()
        self.actnorm, self.invconv = ActNorm(channels), Invertible(channels)
        if hidden:
            self.affine = Coupling(channels, condition, hidden, slope)
        self.slope, self.bounds = slope, bounds

    def fold(self, inverse: bool = False) -> FoldedStep:
        """What the step computes, norms folded into convolutions; with `inverse`, ready to decode too."""
        norm, weight = self.actnorm, self.invconv.weight
        logs, bias = norm.logs.flatten(), norm.bias.flatten()
        linear = weight * logs.exp()
        log_det = torch.linalg.slogdet(weight)[1] + logs.sum()
        back = None
        if inverse:
            wide = weight if weight.device.type == "mps" else weight.double()  # MPS has no float64
            rows = (torch.linalg.inv(wide) * (-logs.to(wide)).exp()[:, None]).to(weight)
            back = rows[:, :, None, None], -bias
        nets: tuple[FoldedNet | None, FoldedNet | None] = (None, None)
        if hasattr(self, "affine"):
            half = len(weight) // 2
            nets = (self._fold(self.affine.fFeatures, 0), self._fold(self.affine.fAffine, half))
        offset = (linear * bias).sum(1)  # not @, which autocast would round
        return FoldedStep((linear[:, :, None, None], offset), back, log_det, *nets)

    def _fold(self, net: nn.Sequential, own: int) -> FoldedNet:
        """own: channels of the first convolution's input that are not features."""
        (weight, bias), middle, last = (net[i].fold() for i in (0, 2, 4))  # type: ignore[operator]
        mine = weight[:, :own] if own else None
        return FoldedNet((weight[:, own:], bias), mine, middle, last, self.slope, self.bounds)

    @torch.no_grad()
    def initialise(self, z: Tensor, features: Tensor) -> Tensor:
        """Norms from the first batch: the input of the step and the features. Returns its output."""
        self.actnorm.initialise(z)
        if hasattr(self, "affine"):
            weight = self.invconv.weight[:, :, None, None]
            first = F.conv2d(self.actnorm(z), weight)[:, : len(weight) // 2]  # zero shifts and equal scales so far
            _initialise(self.affine.fFeatures, features)
            _initialise(self.affine.fAffine, torch.cat([first, features], 1))
        folded = self.fold()
        return folded.encode(z, Level([folded], None).hidden(features)[0])[0]


class Split(nn.Module):
    """Half of the channels leave the flow, as a Gaussian that the other half predicts."""

    def __init__(self, channels: int, bounds: Bounds = OFFICIAL) -> None:
        super().__init__()
        self.conv, self.bounds = PairConv(channels // 2, 2 * (channels - channels // 2)), bounds

    def fold(self) -> FoldedSplit:
        return FoldedSplit(self.conv.fold(), self.bounds)


def _initialise(net: nn.Sequential, x: Tensor) -> None:
    for layer in list(net)[:-1]:
        if isinstance(layer, NormedConv):
            layer.actnorm.initialise(nn.Conv2d.forward(layer, x))
        x = layer(x)
