"""Losses balanced by their gradients on the picture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MEMORY = 0.95  # of the running scale of a loss's gradient


class GradientShares(nn.Module):
    """How much each loss pulls at the picture, whatever its own scale: gradients are divided by their running root mean
    square and added up by shares.

    Losses of an adversary grow and shrink by orders of magnitude in a run; weights that fit at its start do not later.
    The running scales are buffers: a resumed run goes on with them.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        super().__init__()
        self.shares = dict(shares)
        for name in self.shares:
            self.register_buffer(f"scale_{name}", torch.zeros(()))

    def forward(self, losses: Mapping[str, Tensor], picture: Tensor) -> Tensor:
        """The gradient that all losses give to `picture`, of its shape. Losses without a share are left out."""
        total = torch.zeros_like(picture)
        for name, loss in losses.items():
            if share := self.shares.get(name):
                gradient = torch.autograd.grad(loss, picture, retain_graph=True)[0]
                total += share * gradient / self._running(name, gradient)
        return total

    def _running(self, name: str, gradient: Tensor) -> Tensor:
        scale: Tensor = getattr(self, f"scale_{name}")
        now = gradient.square().mean().sqrt()
        scale.copy_(torch.where(scale > 0, torch.lerp(now, scale, MEMORY), now))
        return scale.clamp_min(1e-12)
