"""A small rectified flow for its tests."""

from __future__ import annotations

import torch
from torch import nn

from srcli.methods.build import build
from srcli.methods.flowsr.network import VelocityNet

SMALL = {
    "kind": "velocity",
    "width": 16,
    "before": 1,
    "after": 1,
    "coarse_width": 24,
    "coarse": 1,
    "thin": 4,
    "times": 16,
}


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Layers that begin at zero filled, so that everything has an effect."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if not parameter.detach().any():
            parameter.data.normal_(std=0.05, generator=generator)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def small(seed: int = 0, **parameters) -> VelocityNet:
    torch.manual_seed(seed)
    return awake(build(SMALL | parameters), seed)
