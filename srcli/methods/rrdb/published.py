"""The RRDB networks that SRFlow starts from: plain state dicts. An ESRGAN generator has the same keys, but another long
skip, and nothing in a file tells the two apart."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from srcli.checkpoints import encoders
from srcli.checkpoints.family import Checkpoint, Converted, Family
from srcli.checkpoints.shapes import count


def detect(keys: Collection[str]) -> bool:
    return any(key.startswith("RRDB_trunk.") for key in keys)


def convert(checkpoint: Checkpoint) -> Converted:
    state = checkpoint.tensors
    doublings = count(state, r"upconv(\d+)\.weight")
    architecture: dict[str, Any] = encoders.rrdb(state) | {"kind": "srflow-rrdb", "upsampling": doublings}
    scales = (1.0, float(2 ** min(doublings, 8)))
    return Converted(
        family="rrdb",
        pipeline="rrdb",
        role="encoder",
        scales=scales,
        architecture=architecture,
        tensors=state,
        source=checkpoint.source,
    )


FAMILY = Family(name="rrdb", title="the RRDB of SRFlow", detect=detect, convert=convert)
