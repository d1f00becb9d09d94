"""Published files of DegFlow (present091/DegFlow) as networks: autoencoder, flow, and checkpoints of its trainer."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srcli.networks.build import build
from srcli.weights import store

AUTOENCODER, FLOW = "autoencoder", "flow"
Converted = tuple[dict[str, Any], dict[str, Tensor]]
UNUSED = ("lpips.", "sigmas")  # the loss of the training; noise levels that a rectified flow has none of


class LayoutError(store.WeightsMissing):
    """A file that holds no DegFlow network in a layout that is known."""


def convert_degflow(state: Mapping[str, Any], role: str | None = None) -> Converted:
    """The architecture (see `networks.build`) and the tensors of a network of DegFlow, float32.

    state: what a published file holds: {encoder, decoder, t_params}, {model}, or a Lightning checkpoint {state_dict}.
    role: `autoencoder` or `flow`, where a checkpoint of the second stage has both; None: what the file was made for.
    Raises LayoutError; a tensor that has no place is an error too.
    """
    flat = _flat(state)
    ours = {
        AUTOENCODER: {k: v for k, v in flat.items() if k.startswith(("encoder.", "decoder.", "t_params."))},
        FLOW: {k.removeprefix("model."): v for k, v in flat.items() if k.startswith("model.")},
    }
    found = {k: v for k, v in ours.items() if v}
    if strange := [k for k in flat if not k.startswith(("encoder.", "decoder.", "t_params.", "model.", *UNUSED))]:
        raise LayoutError(f"not a file of DegFlow: nothing is known of {strange[0]!r}")
    chosen = role or (FLOW if FLOW in found else AUTOENCODER)
    if chosen not in found:
        raise LayoutError(f"the file has no {chosen}" + (f", but the {next(iter(found))}" if found else " of DegFlow"))
    tensors = {k: v.float() for k, v in found[chosen].items() if not k.startswith(UNUSED)}
    return (_autoencoder if chosen == AUTOENCODER else _flow)(tensors), tensors


def load_network(path: Path, role: str) -> nn.Module:
    """The autoencoder or the flow in a file: safetensors of `srcli train export`, or a published .pth or .ckpt, which
    is opened without running anything it holds. Raises WeightsMissing."""
    if path.suffix == ".safetensors":
        return store.load_network(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise store.WeightsMissing(f"{path} does not exist") from None
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise store.WeightsMissing(f"{path} is not a file of weights that can be read safely") from error
    try:
        if not isinstance(state, Mapping):
            raise LayoutError("not a file of DegFlow")
        architecture, tensors = convert_degflow(state, role)
        network = build(architecture)
        network.load_state_dict(tensors)
    except (LayoutError, RuntimeError, KeyError, ValueError) as error:
        why = str(error).splitlines()[-1].strip()
        raise store.WeightsMissing(f"{path} cannot be used: {why}") from error
    return network.eval().requires_grad_(False)


def _flat(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """All tensors by their names below encoder, decoder, t_params and model."""
    if "state_dict" in state:
        inner = state["state_dict"]
        names = {k: k.removeprefix("autoencoder.").replace("_orig_mod.", "") for k in inner}
        return {names[k]: torch.as_tensor(v) for k, v in inner.items()}
    flat: dict[str, Tensor] = {}
    for part, entries in state.items():
        if not isinstance(entries, Mapping):
            raise LayoutError(f"not a file of DegFlow: {part!r} holds no tensors")
        flat |= {f"{part}.{k}".replace("_orig_mod.", ""): torch.as_tensor(v) for k, v in entries.items()}
    return flat


def _autoencoder(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    base, latent = tensors["encoder.stem.weight"], tensors["encoder.conv_out.weight"]
    return {"kind": "degflow-ae", "base_dim": len(base), "latent_dim": len(latent)}


def _flow(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Numbers of levels L and blocks R from the place of the attention, 3 + LR + L, and that of the last module,
    5 + 2LR + 3L."""
    indices = {int(k.split(".")[1]) for k in tensors if k.startswith("all_modules.")}
    attention = [int(k.split(".")[1]) for k in tensors if k.endswith("NIN_0.W")]
    if not attention:
        raise LayoutError("the flow has no attention at its middle")
    levels = max(indices) + 1 - 2 * attention[0]
    blocks = (attention[0] - 3 - levels) // levels
    nf = tensors["all_modules.0.weight"].shape[1]
    firsts = [3 + level * (blocks + 1) for level in range(levels)]
    mult = [len(tensors[f"all_modules.{i}.Conv_1.weight"]) // nf for i in firsts]
    channels = tensors["all_modules.2.weight"].shape[1]
    return {"kind": "ncsnpp", "nf": nf, "ch_mult": mult, "num_res_blocks": blocks, "channels": channels}
