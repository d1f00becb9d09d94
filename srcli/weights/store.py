"""Weights on disk to networks ready to run. Only safetensors are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from srcli.errors import SrcliError
from srcli.networks.build import build
from srcli.weights.manifest import HERE, Part

EMBEDDED = HERE / "embedded"


class WeightsMissing(SrcliError):
    """Weights that are not on this machine or are not what they should be."""

    exit_code = 4


def locate(part: Part) -> Path:
    """The file of a part, checked against the size and hash in the manifest."""
    path = EMBEDDED / part.file
    if not path.is_file():
        raise WeightsMissing(f"the weights {part.file} are missing from {EMBEDDED}; reinstall srcli")
    if path.stat().st_size != part.bytes or sha256(path) != part.sha256:
        raise WeightsMissing(f"the weights {path} are not those of the manifest; reinstall srcli")
    return path


def load_network(path: Path) -> nn.Module:
    """The network in a safetensors file: its architecture is in the file's metadata, float16 becomes float32."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise WeightsMissing(f"{path} is not a readable safetensors file: {error}") from error
    if "architecture" not in metadata:
        raise WeightsMissing(f"{path} does not say its architecture; was it made by srcli train export?")
    try:
        architecture = json.loads(metadata["architecture"])
    except ValueError as error:
        raise WeightsMissing(f"{path} names its architecture in no JSON: {error}") from error
    return network_of(architecture, tensors, path)


def network_of(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network of an architecture with these weights, ready for inference. path: where they are from, for errors."""
    try:
        network = build(architecture)
    except (ValueError, TypeError) as error:
        raise WeightsMissing(f"{path} names an architecture that this version does not have: {error}") from error
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except RuntimeError as error:
        raise WeightsMissing(f"{path} does not fit its own architecture: {error}") from error
    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
