"""Low-rank adapters (LoRA, Hu et al. 2022) of published checkpoints, merged into the weights that they adapt."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srcli.weights.store import WeightsMissing

ALPHA = 8  # what peft takes where an adapter was made without one
METADATA = "flowsr_checkpoint_metadata"
KEY = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(\.\w+)?\.weight")
NAMED = 3  # keys in an error
GROUPS = ("unet", "vae")


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a checkpoint changes in one network: pairs and whole tensors by key, the rank, and the modules that have
    pairs: a list of endings or a regular expression."""

    tensors: dict[str, Tensor]
    rank: int
    targets: list[str] | str

    def adapts(self, module: str) -> bool:
        """Whether a module must have a pair."""
        if isinstance(self.targets, str):
            return re.fullmatch(self.targets, module) is not None
        return any(module == end or module.endswith(f".{end}") for end in self.targets)


def read_flowsr(path: Path) -> dict[str, Adapter]:
    """The adapters of a FlowSR checkpoint by network, `unet` and maybe `vae`. Raises `WeightsMissing`."""
    try:
        fields, groups = _read_pickle(path) if zipfile.is_zipfile(path) else _read_safetensors(path)
        ranks = {name: int(fields[f"{name}_rank"]) for name in groups}
        targets = {name: _targets(fields[f"{name}_lora_target_modules"]) for name in groups}
    except (SafetensorError, OSError, pickle.UnpicklingError, RuntimeError) as error:
        raise WeightsMissing(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise WeightsMissing(f"{path} is not a checkpoint of FlowSR: {error!r} of its metadata") from error
    if "unet" not in groups:
        raise WeightsMissing(f"{path} is not a checkpoint of FlowSR: it has nothing for the U-Net")
    return {name: Adapter(tensors, ranks[name], targets[name]) for name, tensors in groups.items()}


def _targets(said: Any) -> list[str] | str:
    """A list of endings, or a regular expression. Raises TypeError or re.error for anything else."""
    if isinstance(said, str):
        return re.compile(said).pattern
    if not isinstance(said, list) or not all(isinstance(end, str) for end in said):
        raise TypeError("the adapted modules are neither a list of names nor a pattern")
    return said


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Fields and tensors by network. The names of the tensors are in the metadata."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads((file.metadata() or {})[METADATA])
        names, left = metadata["tensor_names"], set(file.keys())
        groups = {}
        for name in GROUPS:
            known = names.get(f"{name}_state_dict")
            if known:
                groups[name] = {original: file.get_tensor(key) for key, original in known.items()}
                left -= known.keys()
    if left:
        raise WeightsMissing(f"{path} has tensors without a name: {some(left)}")
    return metadata["fields"], groups


def _read_pickle(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    groups = {name: content[f"{name}_state_dict"] for name in GROUPS if content.get(f"{name}_state_dict")}
    return content, groups


def merge(base: Mapping[str, Tensor], adapter: Adapter) -> dict[str, Tensor]:
    """The state dict `base` with its adapter: W + (8 / rank) B A, exact for linear layers and convolutions, and tensors
    that the checkpoint has as a whole in place of the old. Raises `ValueError` that names keys without a place, without
    their other half, not there though the checkpoint says so, or of another shape."""
    state = dict(base)
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in adapter.tensors.items():
        match = KEY.fullmatch(key)
        if match:
            pairs.setdefault(match["module"], {})[match["side"]] = tensor.float()
        else:
            place = key.replace(".base_layer.", ".")
            _check(place in base, "are unknown to the network", [key])
            _check(base[place].shape == tensor.shape, f"should be of shape {tuple(base[place].shape)}", [key])
            state[place] = tensor.to(base[place].dtype)
    weights = {key.removesuffix(".weight"): key for key, t in base.items() if key.endswith(".weight") and t.ndim > 1}
    _check(not (odd := pairs.keys() - weights.keys()), "are adapters of modules that the network has not", odd)
    _check(not (odd := {m for m, pair in pairs.items() if len(pair) < 2}), "have only one half of an adapter", odd)
    _check(not (odd := {m for m in weights if adapter.adapts(m)} - pairs.keys()), "have no adapter", odd)
    for module, pair in pairs.items():
        key = weights[module]
        state[key] = _merged(module, state[key], pair["A"], pair["B"], adapter.rank)
    return state


def _merged(module: str, weight: Tensor, a: Tensor, b: Tensor, rank: int) -> Tensor:
    """weight (out, in[, kh, kw]) with a (rank, in[, kh, kw]) and b (out, rank[, 1, 1])."""
    fits = a.shape == (rank, *weight.shape[1:]) and b.shape == (weight.shape[0], rank) + (1,) * (weight.ndim - 2)
    shapes = f"{tuple(a.shape)} and {tuple(b.shape)}, which do not fit {tuple(weight.shape)} at rank {rank}"
    _check(fits, f"has an adapter of shapes {shapes}", [module])
    change = (b.flatten(1) @ a.flatten(1)).reshape(weight.shape)
    return (weight.float() + ALPHA / rank * change).to(weight.dtype)


def _check(right: bool, problem: str, names: Iterable[str]) -> None:
    if not right:
        raise ValueError(f"{some(names)} {problem}")


def some(names: Iterable[str]) -> str:
    """The first of some names, for an error."""
    ordered = sorted(names)
    return ", ".join(ordered[:NAMED]) + (f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else "")
