"""A small rectified flow for its tests."""

from __future__ import annotations

import torch
from torch import nn

from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.registry import build

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


def woken(network: nn.Module, seed: int = 0) -> nn.Module:
    """Layers that begin at zero filled, so that everything has an effect."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if not parameter.detach().any():
            parameter.data.normal_(std=0.05, generator=generator)
    return network


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """The same, ready to be run."""
    return woken(network, seed).eval().requires_grad_(False).to(memory_format=torch.channels_last)


def small(seed: int = 0, **parameters) -> VelocityNet:
    torch.manual_seed(seed)
    return awake(build(SMALL | parameters), seed)


TINY = """
task = "flowsr"
architecture = { kind = "velocity", width = 16, before = 1, after = 1, coarse_width = 24, coarse = 1, thin = 4, times = 16 }
[crops]
preset = "moderate"
batch = 4
crop = 48
margin = 8
[optim]
lr = 2e-3
warmup = 2
steps = STEPS
[loss]
l2 = 10.0
perceptual = 0.01
periodic = 0.1
"""  # noqa: E501
