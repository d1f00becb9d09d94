"""The latent module of SRFlow-LP (Tsao et al. 2024): {"prior_model": {"name": "unet", "args", "sd"}}."""

from __future__ import annotations

from collections.abc import Collection

from srcli.checkpoints.family import Checkpoint, Converted, Family
from srcli.checkpoints.shapes import agree, count, size


def detect(keys: Collection[str]) -> bool:
    return any(key.startswith("input_proj0.") for key in keys)


def convert(checkpoint: Checkpoint) -> Converted:
    state = checkpoint.tensors
    latents = range(count(state, r"input_proj(\d+)\.conv1\.weight"))
    width = size(state, "input_proj0.conv1.weight")
    architecture = {
        "kind": "srflow-unet",
        "channels": [size(state, f"input_proj{number}.conv1.weight", 1) for number in latents],
        "width": width,
    }
    agree(checkpoint.args, {"dim": width})
    scales = (1.0, float(2 ** min(len(latents), 8)))
    return Converted(
        family="srflow-lp",
        pipeline="srflow-official",
        role="prior",
        scales=scales,
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


FAMILY = Family(name="srflow-lp", title="the learned prior of SRFlow-LP", detect=detect, convert=convert)
