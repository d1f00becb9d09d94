"""A velocity field on pictures, for flows from the enlarged low-resolution picture to the sharp one.

A U-Net of plain convolutions that can be run in tiles: no attention, no statistics over space. Most of the work is at a
quarter and an eighth of the resolution, so that one evaluation costs about as much as a network on the small picture
of an enlargement by 4. The scale is no input: the picture itself shows how large its pixels are, and pictures that
were enlarged before they came have no other scale than that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3
from srcli.networks.notch import Notch
from srcli.networks.trainable import Trainable

SLOPE = 0.1  # of the rectifiers below zero
FOLD = 4  # pixels a side that one position of the network stands for
OCTAVES = 6  # of the frequencies that a time is told in


class Times(nn.Module):
    """The time t, the time s that a step goes to, the wanted detail and quality as one vector: (B,) each to (B, width).

    The gap t - s and the lack of detail 1 - detail pass layers without bias from features that are 0 at 0, the last
    one zero at first: at s = t and full detail they add exactly nothing, so that a velocity field can become a flow map
    (Boffi et al. 2025: the tangent condition) and a dial can be trained beside the flow. The lack of quality is a
    vector that begins at zero.
    """

    def __init__(self, width: int, quality: bool = False) -> None:
        super().__init__()
        self.negative = nn.Parameter(torch.zeros(width)) if quality else None
        self.time = nn.Sequential(nn.Linear(2 * OCTAVES, width), nn.SiLU(), nn.Linear(width, width))
        self.gap = self._silent(2 * OCTAVES, width)
        self.lack = self._silent(2 * OCTAVES, width)

    @staticmethod
    def _silent(inputs: int, width: int) -> nn.Sequential:
        last = nn.Linear(width, width, bias=False)
        nn.init.zeros_(last.weight)
        return nn.Sequential(nn.Linear(inputs, width, bias=False), nn.SiLU(), last)

    def forward(self, t: Tensor, s: Tensor | None, detail: Tensor | None, quality: Tensor | None) -> Tensor:
        # Half a turn to 16 turns over the range of a time: smooth, yet a thousand times can be told apart.
        turns = math.pi * 2.0 ** torch.arange(OCTAVES, device=t.device)
        vector = self.time(torch.cat([(t[:, None] * turns).sin(), (t[:, None] * turns).cos()], 1))
        if s is not None:
            vector = vector + self.gap(self._from_zero(t - s, turns))
        if detail is not None:
            vector = vector + self.lack(self._from_zero(1 - detail, turns))
        if quality is not None and self.negative is not None:
            vector = vector + (1 - quality)[:, None] * self.negative
        return F.silu(vector)

    @staticmethod
    def _from_zero(x: Tensor, turns: Tensor) -> Tensor:
        return torch.cat([(x[:, None] * turns).sin(), 1 - (x[:, None] * turns).cos()], 1)


class TimedBlock(nn.Module):
    """x + conv(act(gain * conv(act(x)) + shift)), gain and shift of each channel from the times."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.first, self.second = conv3x3(features, features), conv3x3(features, features)
        self.told = nn.Linear(width, 2 * features)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.told.bias)
        # Blocks begin as small changes: without normalisation a long sum of full ones grows.
        self.second.weight.data.mul_(0.1)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        gain, shift = self.told(times).chunk(2, 1)
        y = F.leaky_relu(x, SLOPE)
        if len(times) == 1:  # one time for all: gain and shift are those of the convolution
            weight = self.first.weight * (1 + gain[0])[:, None, None, None]
            assert self.first.bias is not None
            y = F.conv2d(y, weight, self.first.bias * (1 + gain[0]) + shift[0], padding=1)
        else:
            y = self.first(y)
            y = y * (1 + gain).to(y.dtype)[:, :, None, None] + shift.to(y.dtype)[:, :, None, None]
        return x + self.second(F.leaky_relu(y, SLOPE))


class VelocityNet(Trainable):
    """Velocity (B, 3, H, W) = dx/dt at x (B, 3, H, W) in about [-1, 1] and time t (B,), 1 at the low-resolution end.

    H and W are multiples of `align`. s: where the step goes to, for flow maps; None for the velocity itself. detail:
    0 (faithful) to 1 (None). quality: 1 (None) for what is wanted, 0 for its opposite, which guidance leads away from,
    of networks made with one. conditioned: whether the enlarged picture is a second input; flows without noise on their
    path must not have it, because with x it gives the end away at every time but the first. noise: standard deviation
    of what is added to the enlarged picture where the path begins, for flows that make of it what cannot be known.
    coarse: blocks at an eighth of the resolution; 0 leaves that level out. thin: channels of the layer over all pixels;
    0 leaves it out, too. notch: whether what repeats with the fold is subtracted. Next to a sharp edge that draws what
    it should remove: a seventeenth of the edge, every 4 pixels, for 32 pixels on both sides.
    """

    def __init__(
        self, width: int = 64, before: int = 2, after: int = 4, coarse_width: int = 144, coarse: int = 7,
        thin: int = 8, times: int = 128, conditioned: bool = False, quality: bool = False,
        noise: float = 0.0, notch: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conditioned, self.quality, self.noise = conditioned, quality, noise
        self.times = Times(times, quality)
        self.head = conv3x3(FOLD**2 * (6 if conditioned else 3), width)
        self.before = nn.ModuleList(TimedBlock(width, times) for _ in range(before))
        if coarse:
            self.down = nn.Conv2d(width, coarse_width, 2, stride=2)
            self.coarse = nn.ModuleList(TimedBlock(coarse_width, times) for _ in range(coarse))
            self.up = nn.Conv2d(coarse_width, width, 1)
        self.after = nn.ModuleList(TimedBlock(width, times) for _ in range(after))
        # The shuffle gives each of 16 places its own filter, which shows as a grid. A thin layer over all pixels, which
        # also sees the picture itself, mixes them; the notch takes what still repeats (grid score at x4 1.8 without).
        self.thin = thin
        self.unfold = conv3x3(width, FOLD**2 * (thin or 3))
        if thin:
            self.out, self.direct = conv3x3(thin, 3), conv3x3(3, 3)
        for layer in (self.out, self.direct) if thin else (self.unfold,):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.notch = Notch(FOLD) if notch else None
        self.align = 2 * FOLD if coarse else FOLD
        # 3x3 convolutions at an eighth and a quarter of the resolution, the last one, the notch, the folds' phase.
        reach = Notch.radius if notch else 0
        self.radius = 8 * 2 * coarse + 4 * (2 * (before + after) + 2) + 1 + FOLD * (reach + 1) + self.align
        self.outputs = ("out", "direct", "unfold") if thin else ("unfold",)
        self.additions = ("times.negative",) if quality else ()

    def forward(
        self, x: Tensor, t: Tensor, s: Tensor | None = None, detail: Tensor | None = None, lr: Tensor | None = None,
        quality: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        if x.shape[-2] % self.align or x.shape[-1] % self.align:
            raise ValueError(f"expected sides that are multiples of {self.align}, got {tuple(x.shape)}")
        if (lr is not None) != self.conditioned:
            raise ValueError("the enlarged picture is an input of conditioned networks, and of no others")
        if quality is not None and not self.quality:
            raise ValueError("this network was made without a quality")
        with torch.autocast(x.device.type, enabled=False):
            times = self.times(t, s, detail, quality)
            inputs = x if lr is None else torch.cat([x, lr], 1)
        y = self.head(F.pixel_unshuffle(inputs, FOLD).contiguous(memory_format=torch.channels_last))
        for block in self.before:
            y = block(y, times)
        if hasattr(self, "coarse"):
            z = self.down(y)
            for block in self.coarse:
                z = block(z, times)
            y = y + F.interpolate(self.up(z), scale_factor=2.0, mode="nearest")
        for block in self.after:
            y = block(y, times)
        y = F.pixel_shuffle(self.unfold(F.leaky_relu(y, SLOPE)), FOLD)
        if self.thin:
            y = self.out(F.leaky_relu(y, SLOPE)) + self.direct(x)
        return self._without_grid(y.to(x.dtype))

    def _without_grid(self, velocity: Tensor) -> Tensor:
        if self.notch is None:
            return velocity
        patches = F.pixel_unshuffle(velocity, FOLD).permute(0, 2, 3, 1)
        return F.pixel_shuffle(self.notch(patches).permute(0, 3, 1, 2), FOLD)
