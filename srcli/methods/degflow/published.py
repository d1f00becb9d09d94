"""DegFlow: the autoencoder, {"encoder", "decoder", "t_params"}, and the flow, {"model"}. Lightning checkpoints of its
trainer, {"state_dict"}, hold the autoencoder (first stage), or both and the networks of the losses (second stage)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.checkpoints.shapes import State, count, size

SCALES = (1.0, 4.0)
AUTOENCODER, FLOW = ("encoder.", "decoder.", "t_params."), "all_modules."
UNUSED = ("sigmas", "lpips.")  # noise levels, which a rectified flow has none of; a loss
TRAINER = "state_dict"  # the wrapping by Lightning
WRAPPERS = ("autoencoder.", "model.")  # the modules of the trainer that the networks lie in
# Where the levels 2 and 3 lie on the path, before the sigmoid, in the published code. Only training reads them.
LOGITS = {"LR2": -0.693, "LR3": 0.693}
ATTENTION = re.compile(r"all_modules\.(\d{1,4})\.NIN_0\.W")


def has_autoencoder(keys: Collection[str]) -> bool:
    return any(_plain(key).startswith(("encoder.EB0.", "decoder.DB0.")) for key in keys)


def has_flow(keys: Collection[str]) -> bool:
    return any(_plain(key).startswith(FLOW) for key in keys)


def autoencoder(checkpoint: Checkpoint) -> Converted:
    """The levels' places are those of the published code where a file does not have them, as the trainer's of the first
    stage need not."""
    state = _own(checkpoint, AUTOENCODER)
    if not any(key.startswith("t_params.") for key in state):
        state |= {f"t_params.{level}": torch.tensor(logit) for level, logit in LOGITS.items()}
    architecture = {
        "kind": "degflow-ae",
        "base_dim": size(state, "encoder.stem.weight"),
        "latent_dim": size(state, "encoder.conv_out.weight"),
    }
    return Converted(
        family="degflow",
        pipeline="degflow",
        role="autoencoder",
        scales=SCALES,
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


def flow(checkpoint: Checkpoint) -> Converted:
    state = _own(checkpoint, (FLOW,))
    return Converted(
        family="degflow",
        pipeline="degflow",
        role="flow",
        scales=SCALES,
        architecture=_flow(state),
        tensors=state,
        source=checkpoint.source,
    )


def _plain(key: str) -> str:
    """A key without what compiling and the trainer put in front of it."""
    name = key.replace("_orig_mod.", "")
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _own(checkpoint: Checkpoint, mine: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors of one network. What a trainer's checkpoint holds beside both, losses and metrics, is left out; in
    other files it is kept, and refused as a key that has no place."""
    known = (*AUTOENCODER, FLOW, *UNUSED)
    trainer = checkpoint.wrapping == TRAINER
    named = {_plain(key): value for key, value in checkpoint.tensors.items()}
    return {k: v for k, v in named.items() if k.startswith(mine) or not (trainer or k.startswith(known))}


def _flow(state: State) -> dict[str, Any]:
    """Numbers of levels L and blocks R from the place of the attention, 3 + LR + L, and that of the last module,
    5 + 2LR + 3L."""
    places = [int(match[1]) for match in map(ATTENTION.fullmatch, state) if match]
    if not places:
        raise Misfit("it has no attention at its middle")
    levels = count(state, r"all_modules\.(\d+)\.") - 2 * places[0]
    blocks, rest = divmod(places[0] - 3 - levels, levels) if levels > 0 else (0, 0)
    if blocks < 1 or rest:
        raise Misfit("its modules are not those of whole levels")
    nf = size(state, "all_modules.0.weight", 1)
    if nf < 1:
        raise Misfit("all_modules.0.weight has no width")
    firsts = [3 + level * (blocks + 1) for level in range(levels)]
    return {
        "kind": "ncsnpp",
        "nf": nf,
        "ch_mult": [size(state, f"all_modules.{i}.Conv_1.weight") // nf for i in firsts],
        "num_res_blocks": blocks,
        "channels": size(state, "all_modules.2.weight", 1),
    }


# A file that holds both was made for the flow, so that is asked for first.
FLOW_FAMILY = Family(name="degflow", title="the flow of DegFlow", detect=has_flow, convert=flow, role="flow")
AUTOENCODER_FAMILY = Family(
    name="degflow-ae",
    title="the autoencoder of DegFlow",
    detect=has_autoencoder,
    convert=autoencoder,
    role="autoencoder",
)
