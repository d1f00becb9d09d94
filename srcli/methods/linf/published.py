"""LINF (Yao et al. 2023): {"model": {"name": "linf" or "linf-patch", "args", "sd"}, "optimizer", "epoch"}."""

from __future__ import annotations

from collections.abc import Collection

from srcli.checkpoints.encoders import encoder
from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.checkpoints.shapes import agree, count, root, size

SCALES = (1.0, 30.0)  # as far as the published evaluation goes
ENCODER = "encoder."


def detect(keys: Collection[str]) -> bool:
    return any(key.startswith("imnet.linears.") for key in keys)


def convert(checkpoint: Checkpoint) -> Converted:
    state, args = checkpoint.tensors, checkpoint.args
    dim = size(state, "imnet.last._weight")
    found = {
        "hidden_dim": size(state, "coef.weight"),
        "num_layer": count(state, r"layers\.(\d+)\.") - 1,
        "flow_layers": count(state, r"imnet\.linears\.(\d+)\."),
        "patch_size": root(dim // 3, "a third of the length of imnet.last._weight") if dim % 3 == 0 else 0,
    }
    if not found["patch_size"]:
        raise Misfit(f"imnet.last._weight has {dim} rows, which is no patch of three colours")
    agree(args, found)
    spec = args.get("encoder_spec") or {}
    inner = {key.removeprefix(ENCODER): value for key, value in state.items() if key.startswith(ENCODER)}
    architecture = {
        "kind": "linf",
        "encoder": encoder(inner, spec if isinstance(spec, dict) else {}),
        "hidden": found["hidden_dim"],
        "depth": found["num_layer"],
        "flow_layers": found["flow_layers"],
        "patch": found["patch_size"],
    }
    return Converted(
        family="linf",
        pipeline="linf-official",
        role="flow",
        scales=SCALES,
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


FAMILY = Family(name="linf", title="LINF", detect=detect, convert=convert)
