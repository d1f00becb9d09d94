"""What LPIPS is made of: ImageNet networks of torchvision, of which the features are kept, and its authors' heads."""

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
    return Converted("lpips-heads", "lpips", "heads", (1.0, 1.0), architecture, state, checkpoint.source)


def has_features(keys: Collection[str]) -> bool:
    return "features.0.weight" in keys and all(key.startswith(("features.", CLASSIFIER)) for key in keys)


def trunk(checkpoint: Checkpoint) -> Converted:
    state = {key: value for key, value in checkpoint.tensors.items() if not key.startswith(CLASSIFIER)}
    for name, made in TRUNKS.items():
        with torch.device("meta"):
            known = made().state_dict().keys()
        if state.keys() == known:
            architecture = {"kind": "trunk", "name": name}
            return Converted("torchvision", "lpips", "trunk", (1.0, 1.0), architecture, state, checkpoint.source)
    raise Misfit(f"its features are those of no network that LPIPS knows: {', '.join(TRUNKS)}")


HEADS = Family("lpips-heads", "the heads of LPIPS", has_heads, heads)
TRUNK = Family("torchvision", "an ImageNet network of torchvision", has_features, trunk)
