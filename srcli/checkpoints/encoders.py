"""Recognise the encoders of LINF checkpoints by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srcli.checkpoints.family import Misfit
from srcli.checkpoints.shapes import State, agree, count, root, size

NAMES = {"edsr": ("edsr-baseline", "edsr"), "rdn": ("rdn",), "rrdb": ("rrdb",), "swinir": ("swinir",)}
FULL_EDSR = 0.1  # residual scale of `edsr`; that of `edsr-baseline` is 1


def encoder(state: State, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture of an encoder from its state dict.

    spec: the file's own description of it, or {}. Raises Misfit if it contradicts the keys.
    """
    if "SFENet1.weight" in state:
        found = _rdn(state)
    elif "RRDB_trunk.0.RDB1.conv1.weight" in state:
        found = rrdb(state) | {"upsampling_keys": "upconv1.weight" in state}
    elif "patch_embed.norm.weight" in state:
        found = _swinir(state)
    elif "head.0.weight" in state:
        found = _edsr(state, spec)
    else:
        raise Misfit("its encoder is not an EDSR, RDN, RRDB or SwinIR")
    if "name" in spec and spec["name"] not in NAMES[found["kind"]]:
        raise Misfit(f"it claims that its encoder is {spec['name']!r}, but the keys are those of {found['kind']}")
    return found


def rrdb(state: State) -> dict[str, Any]:
    """Blocks, features and growth of an RRDB."""
    return {
        "kind": "rrdb",
        "blocks": count(state, r"RRDB_trunk\.(\d+)\."),
        "features": size(state, "conv_first.weight"),
        "growth": size(state, "RRDB_trunk.0.RDB1.conv1.weight"),
    }


def _edsr(state: State, spec: Mapping[str, Any]) -> dict[str, Any]:
    features = size(state, "head.0.weight")
    blocks = count(state, r"body\.(\d+)\.body\.")
    args = spec.get("args") or {}
    agree(args, {"n_resblocks": blocks, "n_feats": features})
    # The residual scale is in no tensor.
    scale = args.get("res_scale", FULL_EDSR if spec.get("name") == "edsr" else 1.0)
    if not isinstance(scale, (int, float)):
        raise Misfit(f"it claims res_scale = {scale!r}, which is not a number")
    return {
        "kind": "edsr",
        "blocks": blocks,
        "features": features,
        "res_scale": float(scale),
        "mean_shift": "sub_mean.weight" in state,
    }


def _rdn(state: State) -> dict[str, Any]:
    return {
        "kind": "rdn",
        "blocks": count(state, r"RDBs\.(\d+)\."),
        "layers": count(state, r"RDBs\.0\.convs\.(\d+)\."),
        "features": size(state, "SFENet1.weight"),
        "growth": size(state, "RDBs.0.convs.0.conv.0.weight"),
    }


def _swinir(state: State) -> dict[str, Any]:
    layers, dim = count(state, r"layers\.(\d+)\."), size(state, "conv_first.weight")
    first = "layers.0.residual_group.blocks.0"
    table = f"{first}.attn.relative_position_bias_table"
    window = (root(size(state, table), f"the length of {table}") + 1) // 2
    shifted = "layers.0.residual_group.blocks.1.attn_mask"
    windows = root(size(state, shifted), f"the length of {shifted}") if shifted in state else 6
    groups = [f"layers.{i}.residual_group.blocks" for i in range(layers)]
    return {
        "kind": "swinir",
        "dim": dim,
        "depths": [count(state, rf"layers\.{i}\.residual_group\.blocks\.(\d+)\.") for i in range(layers)],
        "heads": [size(state, f"{group}.0.attn.relative_position_bias_table", 1) for group in groups],
        "window": window,
        "ratio": size(state, f"{first}.mlp.fc1.weight") / max(1, dim),
        "features": size(state, "conv_before_upsample.0.weight"),
        "image": windows * window,
    }
