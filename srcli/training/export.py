"""Checkpoints to inference weights: the moving average, in float16, with where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from srcli.methods.registry import build, tasks
from srcli.networks.trainable import Trainable
from srcli.training.loop import CHECKPOINT, read_metadata, under
from srcli.training.monitor.validation import validation_of
from srcli.training.recipe import RecipeError, parse
from srcli.training.tasks import make_task


def export(checkpoint: Path, out: Path, *, data: str, scores: dict[str, float] | None = None) -> dict[str, str]:
    """Write the inference weights of a checkpoint (a file or a run's folder); returns their metadata.

    What the network declares (`Trainable.float32_parameters`) stays in float32; everything else is float16.
    `data` describes the training photos in one line; `scores` are measured on the exported weights. The metadata say
    for which pipeline the weights are, in which role, and what they belong to by its digest: the file of the flow of a
    prior or of a LoRA, the tensors of the autoencoder of a flow in its latents.
    """
    path = checkpoint / CHECKPOINT if checkpoint.is_dir() else checkpoint
    if not path.is_file():
        raise RecipeError(f"no checkpoint at {path}")
    state, source = load_file(path), read_metadata(path)
    recipe = json.loads(source["recipe"])
    method, task = tasks()[recipe["task"]]
    exact = _float32_parameters(recipe["architecture"])
    weights = {name: _compact(tensor, name in exact) for name, tensor in under(state, "ema/").items()}
    metadata: dict[str, str] = {
        "architecture": json.dumps(recipe["architecture"]),
        "pipeline": method.name,
        "role": task.role,
        "recipe": json.dumps(recipe),
        "steps": source["step"],
        "photos": source["photos"],
        **{name: source[name] for name in ("flow", "autoencoder") if name in source},
        "data": data,
        "scores": json.dumps(scores or {}),
        "licence": "Apache-2.0",
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    save_file(weights, part, metadata)
    part.chmod(0o644)
    part.replace(out)
    return metadata


def _float32_parameters(architecture: dict[str, Any]) -> frozenset[str]:
    with torch.device("meta"):  # its names are wanted, not its weights
        network = build(architecture)
    return network.float32_parameters() if isinstance(network, Trainable) else frozenset()


def _compact(tensor: Tensor, exact: bool) -> Tensor:
    return tensor if exact or not tensor.is_floating_point() else tensor.half()


def score(
    checkpoint: Path, weights: Path, folder: Path, flow: str | None = None, autoencoder: Path | None = None
) -> tuple[dict[str, float], float]:
    """Scores of exported weights on a folder of photos, and the largest change by float16 in any of them."""
    path = checkpoint / CHECKPOINT if checkpoint.is_dir() else checkpoint
    source = read_metadata(path)
    recipe = json.loads(source["recipe"])
    for name in ("perceptual", "consistency", "adversary"):  # trunk, teacher and discriminator are not needed here
        recipe["loss"].pop(name, None)
    chosen = parse(recipe.pop("name"), recipe)
    task = make_task(chosen, flow, autoencoder=autoencoder)
    for name, given in (("autoencoder", autoencoder), ("flow", flow)):
        if name in task.origin and task.origin[name] != source.get(name):
            raise RecipeError(f"{path} was trained with another {name} than {given}")
    scores_of, network = validation_of(chosen, task, folder), task.network.eval()
    network.load_state_dict(under(load_file(path), "ema/"))
    before = scores_of(network)
    network.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    after = scores_of(network)
    return after, max(abs(after[k] - before[k]) for k in after)
