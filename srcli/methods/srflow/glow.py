"""Steps of a conditional Glow (Kingma and Dhariwal 2018) as SRFlow has them (Lugmayr et al. 2020).

A step is ActNorm, an invertible 1x1 convolution, the affine injector, which moves all channels by what the features
say, and the conditional affine coupling, which moves the second half by what the features and the first half say.
`encode` and `decode` follow the paper layer by layer; `fold` makes of them what runs, with the same values. Key names
are the official ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.flows.normalizing import (
    affine,
    affine_log_det,
    inverse_affine,
    linear_log_det,
    scale_of,
    standardise,
    unstandardise,
)
from srcli.methods.srflow.folded import OFFICIAL, Bounds, FoldedNet, FoldedSplit, FoldedStep, Kernel, Level, halves


class ActNorm(nn.Module):
    """(x + bias) * exp(logs) per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.logs = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.bias) * self.logs.exp()

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.logs).exp() - self.bias

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

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The even and the odd channels, (B, out_channels / 2, h, w) each."""
        y = self(x) * (3 * self.logs).exp()
        return y[:, 0::2], y[:, 1::2]

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

    def forward(self, z: Tensor) -> Tensor:
        return F.conv2d(z, self.weight[:, :, None, None])

    def inverse(self, z: Tensor) -> Tensor:
        return F.conv2d(z, torch.linalg.inv(self.weight.double()).to(z)[:, :, None, None])


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

    def __init__(self, channels: int, condition: int, hidden: int, slope: float, bounds: Bounds) -> None:
        super().__init__()
        half = channels // 2
        self.fAffine = coupling_net(half + condition, hidden, 2 * (channels - half), slope)
        self.fFeatures = coupling_net(condition, hidden, 2 * channels, slope)
        self.bounds = bounds

    def injected(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale of all channels, from the features alone."""
        return self._moves(self.fFeatures, features, self.bounds.least[0])

    def coupled(self, z1: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale of the second half, from the first half and the features."""
        return self._moves(self.fAffine, torch.cat([self.bounds.bend(z1), features], 1), self.bounds.least[1])

    @staticmethod
    def _moves(net: nn.Sequential, x: Tensor, least: float) -> tuple[Tensor, Tensor]:
        *body, last = net
        for layer in body:
            x = layer(x)
        assert isinstance(last, PairConv)
        shift, logit = last.pairs(x)
        return shift, scale_of(logit, least)


class Step(nn.Module):
    """One step of the flow. hidden = 0: without a coupling."""

    def __init__(
        self, channels: int, condition: int = 0, hidden: int = 0, slope: float = 0.0, bounds: Bounds = OFFICIAL
    ) -> None:
        super().__init__()
        self.actnorm, self.invconv = ActNorm(channels), Invertible(channels)
        if hidden:
            self.affine = Coupling(channels, condition, hidden, slope, bounds)
        self.slope, self.bounds = slope, bounds

    def encode(self, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """SRFlow, Lugmayr et al. 2020, conditional flow layers: one step towards the latent, layer by layer.

        z: (B, C, h, w). features: of the small picture at that size, (B, condition, h, w). Returns z and the
        log-determinant (B,).
        """
        positions = z.shape[2] * z.shape[3]
        z = self.actnorm(z)
        log_det = self.actnorm.logs.sum() * positions
        z = self.invconv(z)
        log_det = log_det + linear_log_det(self.invconv.weight) * positions
        if not hasattr(self, "affine"):  # a transition step
            return z, log_det.expand(len(z))
        shift, scale = self.affine.injected(features)
        z = affine(z, shift, scale)
        log_det = log_det + affine_log_det(scale)
        z1, z2 = halves(z)
        shift, scale = self.affine.coupled(z1, features)
        z = torch.cat([z1, affine(z2, shift, scale)], 1)
        return z, log_det + affine_log_det(scale)

    def decode(self, z: Tensor, features: Tensor) -> Tensor:
        """SRFlow, Lugmayr et al. 2020, conditional flow layers: the inverse of `encode`, the last layer first."""
        if hasattr(self, "affine"):
            z1, z2 = halves(z)
            z = torch.cat([z1, inverse_affine(z2, *self.affine.coupled(z1, features))], 1)
            z = inverse_affine(z, *self.affine.injected(features))
        return self.actnorm.inverse(self.invconv.inverse(z))

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

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What stays, what leaves as a latent, and its log-probability (B,)."""
        z1, z2 = halves(z)
        return z1, *standardise(z2, *self.conv.pairs(self.bounds.bend(z1)))

    def decode(self, z1: Tensor, eps: Tensor) -> Tensor:
        return torch.cat([z1, unstandardise(eps, *self.conv.pairs(self.bounds.bend(z1)))], 1)

    def fold(self) -> FoldedSplit:
        return FoldedSplit(self.conv.fold(), self.bounds)


def _initialise(net: nn.Sequential, x: Tensor) -> None:
    for layer in list(net)[:-1]:
        if isinstance(layer, NormedConv):
            layer.actnorm.initialise(nn.Conv2d.forward(layer, x))
        x = layer(x)
