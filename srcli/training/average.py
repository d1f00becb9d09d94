"""The weighted mean of two exported weights files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from srcli.errors import SrcliError
from srcli.training.loop import read_metadata
from srcli.weights import store

SAME = ("pipeline", "role", "licence")
BELONGS = ("flow", "autoencoder")  # where the metadata say what weights belong to


class AverageError(SrcliError):
    """Weights that have no mean."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Exported:
    """Weights and metadata of an exported file."""

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Exported:
        """Raises AverageError."""
        try:
            file = cls(path, load_file(path), read_metadata(path))
        except (OSError, SafetensorError) as error:
            raise AverageError(f"cannot read {path}: {error}") from error
        if "architecture" not in file.metadata:
            raise AverageError(f"{path} does not say its architecture; it must come from srcli train export")
        return file

    def source(self, share: float) -> dict[str, object]:
        """What the mean says of this part."""
        named = json.loads(self.metadata.get("recipe", "{}")).get("name", "")
        steps = self.metadata.get("steps", "")
        return {"sha256": store.sha256(self.path), "share": share, "recipe": named, "steps": steps}


def average(first: Path, second: Path, out: Path, weight: float = 0.5) -> dict[str, str]:
    """Write the mean (1 - weight) * first + weight * second and return its metadata.

    weight: the share of `second`, 0 to 1.

    Tensors keep their precision; the mean is taken in float32. Recipe, steps and photos in the metadata are those of
    `second`; `averaged` names both files. Raises AverageError where they are not of one architecture, pipeline, role
    and licence, or belong to different networks.
    """
    if not 0 <= weight <= 1:
        raise AverageError(f"the weight is a share from 0 to 1, not {weight:g}")
    a, b = Exported.read(first), Exported.read(second)
    _check(a, b)
    tensors = {name: _mean(name, tensor, b, weight) for name, tensor in a.tensors.items()}
    told = [a.metadata.get("data", ""), b.metadata.get("data", "")]
    metadata = {
        **b.metadata,
        "data": "; ".join(dict.fromkeys(told)),
        "scores": "{}",
        "averaged": json.dumps([a.source(round(1 - weight, 12)), b.source(weight)]),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    save_file(tensors, part, metadata)
    part.chmod(0o644)
    part.replace(out)
    return metadata


def _check(a: Exported, b: Exported) -> None:
    both = f"{a.path} and {b.path}"
    if json.loads(a.metadata["architecture"]) != json.loads(b.metadata["architecture"]):
        raise AverageError(f"{both} are networks of different architectures")
    for key in SAME:
        if a.metadata.get(key) != b.metadata.get(key):
            raise AverageError(
                f"{both} have different {key}s: {a.metadata.get(key, 'none')} and {b.metadata.get(key, 'none')}"
            )
    for key in BELONGS if a.metadata.get("role") != "velocity" else ():  # a velocity only had a flow as its teacher
        if a.metadata.get(key) != b.metadata.get(key):
            raise AverageError(f"{both} belong to different {key}s")
    if {k: v.shape for k, v in a.tensors.items()} != {k: v.shape for k, v in b.tensors.items()}:
        raise AverageError(f"{both} do not hold the same tensors")


def _mean(name: str, tensor: Tensor, other: Exported, weight: float) -> Tensor:
    second = other.tensors[name]
    if not tensor.is_floating_point():
        if not torch.equal(tensor, second):
            raise AverageError(f"{name} differs in {other.path} and has no mean")
        return tensor
    return torch.lerp(tensor.float(), second.float(), weight).to(torch.promote_types(tensor.dtype, second.dtype))
