"""Checkpoints as authors publish them, made up: random numbers in official layouts, tame enough to be upscaled with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srcli.methods.registry import build
from srcli.networks.swin import relative_positions
from srcli.weights.store import network_of

Layout = Mapping[str, tuple[int, ...]]  # shape by key

# Small networks of every published kind; sizes that no other part of the layout has.
ENCODERS: dict[str, dict[str, Any]] = {
    "edsr": {"kind": "edsr", "blocks": 2, "features": 16, "mean_shift": True},
    "rdn": {"kind": "rdn", "blocks": 3, "layers": 2, "features": 8, "growth": 6},
    "rrdb": {"kind": "rrdb", "blocks": 2, "features": 8, "growth": 4, "upsampling_keys": True},
    "swinir": {"kind": "swinir", "dim": 12, "depths": [2, 4], "heads": [2, 3], "features": 8, "image": 24},
}
PRIORS: dict[str, dict[str, Any]] = {
    "unet": {"kind": "unet-latent", "width": 8},
    "edsr-baseline-latent": {"kind": "edsr-latent", "width": 8, "blocks": 2},
    "swin_latent": {"kind": "swin-latent", "width": 6, "depths": [2, 1], "heads": [2, 3]},
}
SRFLOW: dict[str, Any] = {
    "kind": "srflow", "scale": 4, "blocks": 2, "features": 8, "growth": 4, "stacked": [0, 1], "steps": 2, "hidden": 6,
}  # fmt: skip
UNET = {"kind": "srflow-unet", "width": 8}


def linf(encoder: str, patch: int = 3) -> dict[str, Any]:
    return {"kind": "linf", "encoder": ENCODERS[encoder], "hidden": 16, "depth": 2, "flow_layers": 3, "patch": patch}


def layout_of(architecture: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in build(architecture).state_dict().items()}


def filled(layout: Layout, seed: int = 0) -> dict[str, Tensor]:
    """Random numbers for a layout: every layer keeps the size of what it is given, linear layers of flows rotate, and
    couplings stretch as much as the norms before them shrink."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape: tuple[int, ...], spread: float) -> Tensor:
        return torch.randn(shape, generator=generator) * spread

    return {key: _tensor(key, shape, layout, normal).contiguous() for key, shape in layout.items()}


def _tensor(key: str, shape: tuple[int, ...], layout: Layout, normal: Any) -> Tensor:
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        made = torch.tensor(1000)
    elif last == "relative_position_index":
        made = relative_positions(math.isqrt(shape[0]))
    elif last == "_weight" or key.endswith(".invconv.weight"):
        made = torch.linalg.qr(normal(shape, 1.0))[0] * (1.5 if last == "_weight" else 1.0)
    elif key.startswith("flowUpsamplerNet.layers.") and ".affine." not in key and ".actnorm." in key:
        made = _norm(key, shape, layout, normal)
    elif last == "running_var" or (last == "weight" and len(shape) == 1):
        made = 1 + normal(shape, 0.1).abs()
    elif key.endswith("conv_last.bias"):
        made = torch.full(shape, 0.5)
    elif len(shape) < 2 or last in ("bias", "logs", "relative_position_bias_table", "attn_mask"):
        made = normal(shape, 0.02)
    else:
        made = normal(shape, (0.02 if _is_quiet(key, layout) else 1.0) / math.sqrt(math.prod(shape[1:])))
    return made


def _norm(key: str, shape: tuple[int, ...], layout: Layout, normal: Any) -> Tensor:
    """An actnorm of a step. The first step of all is the last of the inverse: it makes a grey picture."""
    number, last = int(key.split(".")[2]), key.rsplit(".", 1)[-1]
    if number == 1:
        return torch.full(shape, 2.3) if last == "logs" else normal(shape, 0.01) - 0.5
    coupled = f"flowUpsamplerNet.layers.{number}.affine.fAffine.0.weight" in layout
    return normal(shape, 0.01) + (0.2 if coupled and last == "logs" else 0.0)


def _is_quiet(key: str, layout: Layout) -> bool:
    """Whether a convolution says how a flow moves, or makes a picture."""
    if key.startswith("flowUpsamplerNet.layers."):
        return key.endswith((".4.weight", ".conv.weight"))
    parts = key.split(".")
    if parts[0] != "layers" or len(parts) != 3:  # not of LINF's layers
        return key.endswith("conv_last.weight")
    return int(parts[1]) == max(int(k.split(".")[1]) for k in layout if k.startswith("layers."))


def wrapped(name: str, state: Mapping[str, Tensor], key: str = "model", **args: Any) -> dict[str, Any]:
    """As LINF and LINF-LP save their checkpoints."""
    adam = {"name": "adam", "args": {"lr": 1e-4}, "sd": {"state": {}, "param_groups": [{"lr": 1e-4}]}}
    return {key: {"name": name, "args": args, "sd": dict(state)}, "optimizer": adam, "epoch": 1000}


def saved(path: Path, content: Any, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def network(architecture: dict, seed: int = 0):
    return network_of(architecture, filled(layout_of(architecture), seed), None)
