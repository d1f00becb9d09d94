"""The weights of LPIPS: the features of torchvision's ImageNet networks, and the authors' linear heads."""

from __future__ import annotations

import re
from collections.abc import Collection

import torch

from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.checkpoints.shapes import size
from srcli.networks.trunks import TRUNKS

HEAD = re.compile(r"lin(\d+)\.model\.1\.weight")
CLASSIFIER = "classifier."


def has_heads(keys: Collection[str]) -> bool:
    return any(HEAD.fullmatch(key) for key in keys)


def heads(checkpoint: Checkpoint) -> Converted:
    state = {HEAD.sub(r"lin\1.weight", key): value for key, value in checkpoint.tensors.items()}
    widths = [size(state, f"lin{number}.weight", 1) for number in range(len(state))]
    architecture = {"kind": "lpips-heads", "widths": widths}
    return Converted(
        family="lpips-heads",
        pipeline="lpips",
        role="heads",
        scales=(1.0, 1.0),
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


def has_features(keys: Collection[str]) -> bool:
    return "features.0.weight" in keys and all(key.startswith(("features.", CLASSIFIER)) for key in keys)


def trunk(checkpoint: Checkpoint) -> Converted:
    state = {key: value for key, value in checkpoint.tensors.items() if not key.startswith(CLASSIFIER)}
    for name, made in TRUNKS.items():
        with torch.device("meta"):
            known = made().state_dict().keys()
        if state.keys() == known:
            architecture = {"kind": "trunk", "name": name}
            return Converted(
                family="torchvision",
                pipeline="lpips",
                role="trunk",
                scales=(1.0, 1.0),
                architecture=architecture,
                tensors=state,
                source=checkpoint.source,
            )
    raise Misfit(f"its features match none of LPIPS's networks: {', '.join(TRUNKS)}")


HEADS = Family(name="lpips-heads", title="the heads of LPIPS", detect=has_heads, convert=heads)
TRUNK = Family(name="torchvision", title="an ImageNet network of torchvision", detect=has_features, convert=trunk)
