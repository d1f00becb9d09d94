"""Safetensors files written by `srcli` itself, whose metadata names their architecture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from srcli.checkpoints.family import Checkpoint, Converted, Misfit
from srcli.methods.registry import methods, players


def convert(checkpoint: Checkpoint) -> Converted:
    """Read the architecture from the metadata. Raises Misfit if it is invalid."""
    metadata = checkpoint.metadata
    try:
        architecture, scales = json.loads(metadata["architecture"]), json.loads(metadata.get("scales", "null"))
    except ValueError as error:
        raise Misfit(f"its metadata is not JSON: {error}") from None
    if not isinstance(architecture, dict):
        raise Misfit("its architecture is not a table")
    kind = architecture.get("kind")
    # The usual method and role where a file does not say, as those of `srcli train export` once did not.
    taken = players(kind) if isinstance(kind, str) else []
    if not taken:
        raise Misfit(f"no model uses a network of the kind {str(kind)[:40]!r}")
    pipeline, role = metadata.get("pipeline", taken[0][0]), metadata.get("role", taken[0][1])
    if (pipeline, role) not in taken:
        raise Misfit(f"a network of the kind {kind} cannot be the {role[:40]} of the pipeline {pipeline[:40]}")
    family = metadata.get("family", pipeline)
    return Converted(
        family=family,
        pipeline=pipeline,
        role=role,
        scales=_range(scales, pipeline, architecture),
        architecture=architecture,
        tensors=checkpoint.tensors,
        source=checkpoint.source,
    )


def _range(scales: Any, pipeline: str, architecture: Mapping[str, Any]) -> tuple[float, float]:
    if scales is None:
        low, high = methods()[pipeline].scales
        scale = architecture.get("scale", high)
        return low, float(scale) if isinstance(scale, int) and 1 <= scale <= 64 else high
    if isinstance(scales, list) and len(scales) == 2 and all(isinstance(s, (int, float)) for s in scales):
        low, high = scales
        if 1 <= low <= high <= 64:
            return float(low), float(high)
    raise Misfit(f"its scales are {str(scales)[:40]}, not two numbers from 1 to 64")
