"""Small files of DegFlow in every layout in which its authors' code writes them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

NAME, AUTOENCODER, FLOW = "degflow-realsr", "autoencoder", "flow"
IDS = {AUTOENCODER: "1qOAa5FwGX9fAurpB3hJtcIfrARBkTjBJ", FLOW: "1t-V-hiJOP5g1LI-qU3VCArR6bM5OABEP"}
State = dict[str, Tensor]


def public_files(reference: Path) -> dict[str, Path]:
    """Small networks in the layouts of the public files."""
    folder = reference / "parity" / "degflow" / "weights"
    return {AUTOENCODER: folder / "ae_layout.pth", FLOW: folder / "flow_layout.pth"}


def state_dicts(published: dict[str, Path]) -> dict[str, State]:
    """Their state dicts, as a network of both would have them."""
    ae, flow = (torch.load(published[role], weights_only=True) for role in (AUTOENCODER, FLOW))
    joined = {f"{part}.{key}": value for part, entries in ae.items() for key, value in entries.items()}
    return {AUTOENCODER: joined, FLOW: flow["model"]}


def under(prefix: str, state: State, *without: str) -> State:
    return {prefix + key: value for key, value in state.items() if not key.startswith(without)}


def lightning(state: State) -> dict:
    """A checkpoint of the trainer, with its loss, a metric and an optimizer."""
    more = {"lpips.net.slice1.0.weight": torch.ones(3), "val_psnr.total": torch.tensor(7)}
    adam = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]}
    return {
        "epoch": 3,
        "global_step": 9,
        "pytorch-lightning_version": "2.2",
        "state_dict": state | more,
        "optimizer_states": [adam],
        "hyper_parameters": {"lr": 1e-4},
        "callbacks": {"best": {"score": 1.0}},
    }


def second_stage(states: dict[str, State]) -> dict:
    return lightning(states[AUTOENCODER] | under("model.", states[FLOW]))


# What a file holds, by layout: of the two state dicts, the autoencoder's parts or the flow.
LAYOUTS = {
    AUTOENCODER: {
        "bare": lambda s: s[AUTOENCODER],
        "bare, without the levels": lambda s: under("", s[AUTOENCODER], "t_params."),
        "state_dict": lambda s: {"state_dict": s[AUTOENCODER], "step": 5},
        "parts": lambda s: {
            part: {k.removeprefix(f"{part}."): v for k, v in s[AUTOENCODER].items() if k.startswith(f"{part}.")}
            for part in ("encoder", "decoder", "t_params")
        },
        "first stage": lambda s: lightning(under("autoencoder._orig_mod.", s[AUTOENCODER])),
        "first stage, without the levels": lambda s: lightning(
            under("autoencoder._orig_mod.", s[AUTOENCODER], "t_params.")
        ),
        "first stage, not compiled": lambda s: lightning(under("autoencoder.", s[AUTOENCODER])),
        "second stage": second_stage,
        "average": lambda s: {"ema": s[AUTOENCODER], "state_dict": {k: v + 1 for k, v in s[AUTOENCODER].items()}},
    },
    FLOW: {
        "bare": lambda s: s[FLOW],
        "state_dict": lambda s: {"state_dict": s[FLOW]},
        "model": lambda s: {"model": s[FLOW]},
        "compiled": lambda s: {"model": under("_orig_mod.", s[FLOW])},
        "DataParallel": lambda s: under("module.", s[FLOW]),
        "Lightning": lambda s: lightning(under("model.", s[FLOW])),
        "Lightning, compiled": lambda s: lightning(under("model._orig_mod.", s[FLOW])),
        "second stage": second_stage,
        "average": lambda s: {"model_ema": s[FLOW], "model": {k: v + 1 for k, v in s[FLOW].items()}},
    },
}
