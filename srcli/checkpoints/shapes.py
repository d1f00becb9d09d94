"""Read the sizes of a network from a state dict, and check that every key is accounted for."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from srcli.checkpoints.family import Misfit
from srcli.networks.swin import relative_positions

State = Mapping[str, Tensor]
INVERTED = ("._weight", ".invconv.weight")
MAX_PARAMETER = 8192  # of any hyper-parameter


def size(state: State, key: str, dim: int = 0) -> int:
    """The size of a tensor along a dimension. Raises Misfit if the key or the dimension is missing."""
    if key not in state:
        raise Misfit(f"the key {key} is missing")
    if state[key].ndim <= dim:
        raise Misfit(f"{key} has the shape {shape(state[key])}, which has too few dimensions")
    return state[key].shape[dim]


def count(keys: Collection[str], pattern: str) -> int:
    """The number of distinct values of the pattern's group among the keys; the largest could be any number."""
    found = re.compile(pattern)
    return len({match[1] for match in map(found.match, keys) if match})


def root(value: int, what: str) -> int:
    """The integer square root of a square number. Raises Misfit for other numbers."""
    side = math.isqrt(value)
    if value < 1 or side * side != value:
        raise Misfit(f"{what} is {value}, which is not a square number")
    return side


def agree(args: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise Misfit if the file's description of itself contradicts its tensors."""
    for name, value in found.items():
        stated = args.get(name, value)
        if not isinstance(stated, (int, float, str)) or stated != value:
            raise Misfit(f"it claims {name} = {str(stated)[:40]!r}, but its tensors have {value!r}")


def account(state: State, architecture: Mapping[str, Any]) -> bool:
    """Raise Misfit unless keys, shapes and number types are exactly those of the architecture, with finite numbers.

    The network is built without memory, whatever the architecture claims. One that follows its weights is built from
    them, no larger than they are. Returns whether it is one that does not.
    """
    from srcli.methods.registry import build

    _check_bounds(architecture)
    try:
        with torch.device("meta"):
            network = build(architecture)
            expected = network.state_dict()
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise Misfit(f"its sizes do not make a network: {error}") from error
    if getattr(network, "follows_weights", False):
        _check_finite(state)
        try:
            network.load_state_dict(dict(state))
        except RuntimeError as error:
            raise Misfit(str(error)) from None
        return False
    missing = [key for key in expected if key not in state]
    if missing:
        raise Misfit(f"the key {_first(missing)} missing")
    extra = [key for key in state if key not in expected]
    if extra:
        raise Misfit(f"the key {_first(extra)} not of this network")
    for key, wanted in expected.items():
        given = state[key]
        if given.shape != wanted.shape:
            raise Misfit(f"{key} has the shape {shape(given)} instead of {shape(wanted)}")
        if given.is_floating_point() != wanted.is_floating_point() or given.is_complex():
            raise Misfit(f"{key} holds {str(given.dtype).removeprefix('torch.')} numbers")
    _check_finite(state)
    return True


def _check_finite(state: State) -> None:
    for key, given in state.items():
        if not torch.isfinite(given).all():
            raise Misfit(f"{key} has numbers that are not finite")


def check_invertible(state: State) -> None:
    """Raise Misfit if a linear layer of a flow has no inverse."""
    for key, matrix in state.items():
        if key.endswith(INVERTED) and not torch.isfinite(torch.linalg.slogdet(matrix.double())[1]):
            raise Misfit(f"{key} is a matrix without an inverse")


def check_indices(state: State) -> None:
    """Raise Misfit if stored window positions are not as defined: they could index out of bounds."""
    for key, index in state.items():
        if key.endswith("relative_position_index") and not torch.equal(index, relative_positions(_window(index))):
            raise Misfit(f"{key} is not the order of positions in a window")


def _window(index: Tensor) -> int:
    return root(index.shape[0], "the number of positions in a window")


def shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "of a single number"


def _first(keys: list[str]) -> str:
    more = len(keys) - 1
    return f"{keys[0]} is" if not more else f"{keys[0]} (and {more} more) is"


def _check_bounds(value: Any) -> None:
    """Raise Misfit for hyper-parameters too large for any real network, which would take for ever to build."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if len(value) > MAX_PARAMETER:
            raise Misfit("its sizes do not make a network: a list is too long")
        for part in value:
            _check_bounds(part)
    elif isinstance(value, (int, float)) and not abs(value) <= MAX_PARAMETER:
        raise Misfit(f"its sizes do not make a network: {value} is out of bounds")
