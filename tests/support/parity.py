"""The numbers of the reference implementations, networks of their weights, and how close ours must be."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from srcli.methods.registry import build


@cache
def fixture(folder: Path, name: str) -> dict[str, Tensor]:
    return load_file(folder / "parity" / f"{name}.safetensors")


@cache
def tolerances(folder: Path, name: str) -> dict:
    return json.loads((folder / "parity" / f"{name}.json").read_text())["tolerance"]


def weights(tensors: dict[str, Tensor], prefix: str = "weights/") -> dict[str, Tensor]:
    found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return {k: v.float() if v.is_floating_point() else v for k, v in found.items()}


def network(architecture: dict, state: dict[str, Tensor]):
    net = build(architecture)
    net.load_state_dict(state)
    return net.eval()


def close(folder: Path, name: str, key: str, value: Tensor) -> None:
    """Within the fixture's float32-against-float64 error for that tensor, times five for another order of sums."""
    expected = fixture(folder, name)[key]
    error = (value.reshape(expected.shape) - expected).abs().max().item()
    tolerance = tolerances(folder, name)[key]
    bound = max(5 * tolerance["f32_vs_f64_max_abs_err"], 4e-7 * tolerance["max_abs_value"])
    assert error <= bound, f"{name} {key}: {error} exceeds {bound}"


def keys_agree(folder: Path, name: str, architecture: dict) -> None:
    """A network has the keys, shapes and types of a published checkpoint."""
    listed = json.loads((folder / "parity" / "keys" / f"{name}.json").read_text())["keys"]
    with torch.device("meta"):
        ours = build(architecture).state_dict()
    expected = {key: (tuple(shape), dtype) for key, shape, dtype in listed}
    assert {k: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in ours.items()} == expected
