"""The losses to expect of a flow map at each pair of times, by which they are weighted."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Least loss that an uncertainty expects, 36 dB of pictures in [-1, 1]: the optimum for one near 0, as that of short
# jumps is, has no bound, and what is left of it would outweigh all other losses.
LEAST_LOSS = 1e-3


class Uncertainty(nn.Module):
    """lambda(s, t) of each of `kinds` losses, (B,), by a small MLP each; `first` everywhere at first, about the
    logarithm of the mean square that is left of pictures in [-1, 1].

    lr_factor: it learns that much faster than the network whose losses it weighs.
    """

    lr_factor = 10.0
    octaves = 4

    def __init__(self, kinds: int = 2, width: int = 64, first: float = -4.0) -> None:
        super().__init__()
        self.of = nn.ModuleList(self._mlp(width, first) for _ in range(kinds))

    def _mlp(self, width: int, first: float) -> nn.Sequential:
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, first)
        return nn.Sequential(nn.Linear(4 * self.octaves, width), nn.SiLU(), last)

    def forward(self, kind: int, s: Tensor, t: Tensor) -> Tensor:
        turns = math.pi * 2.0 ** torch.arange(self.octaves, device=s.device, dtype=s.dtype)
        angles = torch.stack([s, t - s], 1)[..., None] * turns
        return self.of[kind](torch.cat([angles.sin(), angles.cos()], 1).flatten(1)).squeeze(1)
