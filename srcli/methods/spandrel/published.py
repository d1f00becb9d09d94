"""Community checkpoints that no other family knows. They are read like all others: no code in them is run."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.methods.spandrel import library
from srcli.methods.spandrel.network import SpandrelNet


def is_known(keys: Collection[str]) -> bool:
    """keys: here with their tensors."""
    return isinstance(keys, Mapping) and library.installed() and library.detect(keys) is not None


def convert(checkpoint: Checkpoint) -> Converted:
    identity = library.detect(checkpoint.tensors)
    if identity is None:
        raise Misfit("spandrel knows no architecture with its keys")
    network = SpandrelNet(identity)
    try:
        network.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        raise Misfit(str(error)) from None
    return Converted(
        family="spandrel",
        pipeline="spandrel",
        role="generator",
        scales=(1.0, float(network.scale)),
        architecture={"kind": "spandrel", "id": identity, "scale": network.scale},
        tensors=dict(checkpoint.tensors),
        source=checkpoint.source,
    )


FAMILY = Family(name="spandrel", title="architectures of spandrel", detect=is_known, convert=convert, last_resort=True)
