"""Low-rank adaptation of a network (LoRA, Hu et al. 2021), kept apart from its weights: W + k B A for a factor k."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from srcli.methods.registry import build
from srcli.networks.trainable import Trainable

Network = TypeVar("Network", bound=nn.Module)


class Lora(Trainable):
    """A change of at most rank `rank` of every convolution and linear layer of a network. Kernels (out, in, h, w) are
    matrices (out, in * h * w) here.

    network: one of the architecture that is changed; only its shapes are read. B is zero at first: nothing is changed.
    """

    def __init__(self, network: nn.Module, rank: int = 8) -> None:
        super().__init__()
        self.shapes = _shapes(network)
        for layer, (out, fan) in self.shapes.items():
            narrow = min(rank, out, fan)
            self.register_parameter(_key(layer, "down"), nn.Parameter(torch.randn(narrow, fan) / fan**0.5))
            self.register_parameter(_key(layer, "up"), nn.Parameter(torch.zeros(out, narrow)))

    def fits(self, network: nn.Module) -> bool:
        """Whether it was made for networks of that architecture."""
        return self.shapes == _shapes(network)

    def changed(self, network: nn.Module, factor: float | Tensor = 1.0) -> dict[str, Tensor]:
        """The network's weights with the change times `factor`, by the names of its parameters. Differentiable."""
        made = {}
        for layer in self.shapes:
            weight = network.get_parameter(f"{layer}.weight")
            down, up = (self.get_parameter(_key(layer, side)) for side in ("down", "up"))
            made[f"{layer}.weight"] = weight + factor * (up @ down).view(weight.shape)
        return made


def lora(network: Mapping[str, Any], **parameters: Any) -> Lora:
    """A LoRA from its architecture table, which holds that of the network it changes."""
    with torch.device("meta"):  # its shapes are wanted, not its weights
        shapes = build(network)
    return Lora(shapes, **parameters)


def merged(network: Network, lora: Lora, factor: float) -> Network:
    """A copy of the network with the change times `factor` in its weights."""
    made = copy.deepcopy(network)
    with torch.no_grad():
        for name, weight in lora.changed(network, factor).items():
            made.get_parameter(name).copy_(weight)
    return made


def _shapes(network: nn.Module) -> dict[str, tuple[int, int]]:
    """Rows and columns of the matrices of convolutions and linear layers, by name."""
    layers = {n: m for n, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    return {name: (len(layer.weight), layer.weight[0].numel()) for name, layer in layers.items()}


def _key(layer: str, side: str) -> str:
    return f"{layer.replace('.', '-')}-{side}"  # names of parameters have no dots
