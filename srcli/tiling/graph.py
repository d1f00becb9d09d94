"""What a method gives to `srcli export`: a network with everything around it that makes pictures, as one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input of a graph.

    example: a value to trace with.
    sides: the names of the dimensions that may have any length, by their index.
    means: what it is, with shape and range.
    """

    example: Tensor
    sides: Mapping[int, str]
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A module of tensors only, ready to be traced in float32 on the CPU.

    inputs: in the order of the module's parameters.
    result: what it returns, with its shape.
    sides: the names of that shape's free dimensions, by their index.
    facts: numbers that programs need beside the graph, such as the side of a patch.
    """

    module: nn.Module
    inputs: Mapping[str, Input]
    result: str
    sides: Mapping[int, str]
    facts: Mapping[str, int | float | str]


def example(height: int, width: int) -> Tensor:
    """A smooth picture (1, 3, height, width) to trace with: on noise, the inverse of a flow amplifies rounding."""
    place = torch.arange(height)[:, None] / 9 + torch.arange(width) / 7
    return torch.stack([place.sin(), place.cos(), (2 * place).sin()])[None] / 4 + 0.5
