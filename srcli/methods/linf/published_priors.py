"""The latent modules of LINF-LP (Tsao et al. 2024): {"prior_model": {"name", "args", "sd"}, "optimizer", "epoch"}."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.checkpoints.shapes import State, agree, count, root, size
from srcli.methods.linf.published import SCALES

NAMES = {"unet-latent": "unet", "edsr-latent": "edsr-baseline-latent", "swin-latent": "swin_latent"}


def detect(keys: Collection[str]) -> bool:
    return any(key.startswith(("input_proj.", "lr_proj.")) for key in keys)


def convert(checkpoint: Checkpoint) -> Converted:
    state, args = checkpoint.tensors, checkpoint.args
    channels = size(state, "input_proj.conv1.weight", 1)
    if channels % 3:
        raise Misfit(f"its latents have {channels} channels, which is no patch of three colours")
    root(channels // 3, "a third of its latents' channels")
    architecture = {**_module(state), "channels": channels}
    agree(args, {"in_chans": channels, "dim": architecture["width"], "name": NAMES[architecture["kind"]]})
    return Converted(
        family="linf-lp",
        pipeline="linf-official",
        role="prior",
        scales=SCALES,
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


def _module(state: State) -> dict[str, Any]:
    width = size(state, "input_proj.conv1.weight")
    if "inc.double_conv.0.weight" in state:
        return {"kind": "unet-latent", "width": size(state, "inc.double_conv.0.weight")}
    if "last_conv.weight" in state:
        return {"kind": "edsr-latent", "width": 2 * width, "blocks": count(state, r"body\.(\d+)\.")}
    if "norm.weight" in state:
        layers = range(count(state, r"layers\.(\d+)\."))
        return {
            "kind": "swin-latent",
            "width": width,
            "depths": [count(state, rf"layers\.{i}\.blocks\.(\d+)\.") for i in layers],
            "heads": [size(state, f"layers.{i}.blocks.0.attn.relative_position_bias_table", 1) for i in layers],
        }
    raise Misfit("its latent module is none of U-Net, EDSR and Swin")


FAMILY = Family(name="linf-lp", title="the learned prior of LINF-LP", detect=detect, convert=convert)
