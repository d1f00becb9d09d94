"""Safetensors that `srcli` itself has written, converted or trained: they say their architecture."""

from __future__ import annotations

import json
from typing import Any

from srcli.checkpoints.family import Checkpoint, Converted, Misfit
from srcli.methods.registry import methods, players


def convert(checkpoint: Checkpoint) -> Converted:
    """Raises Misfit for metadata that make no sense."""
    said = checkpoint.metadata
    try:
        architecture, scales = json.loads(said["architecture"]), json.loads(said.get("scales", "null"))
    except ValueError as error:
        raise Misfit(f"its metadata are no JSON: {error}") from None
    if not isinstance(architecture, dict):
        raise Misfit("its architecture is no table")
    kind = architecture.get("kind")
    # The usual method and role where a file does not say, as those of `srcli train export` once did not.
    taken = players(kind) if isinstance(kind, str) else []
    if not taken:
        raise Misfit(f"no model is made of a network of the kind {str(kind)[:40]!r}")
    pipeline, role = said.get("pipeline", taken[0][0]), said.get("role", taken[0][1])
    if (pipeline, role) not in taken:
        raise Misfit(f"a network of the kind {kind} is no {role[:40]} in the pipeline {pipeline[:40]}")
    family = said.get("family", pipeline)
    return Converted(
        family, pipeline, role, _range(scales, pipeline), architecture, checkpoint.tensors, checkpoint.source
    )


def _range(scales: Any, pipeline: str) -> tuple[float, float]:
    if scales is None:
        return methods()[pipeline].scales
    if isinstance(scales, list) and len(scales) == 2 and all(isinstance(s, (int, float)) for s in scales):
        low, high = scales
        if 1 <= low <= high <= 64:
            return float(low), float(high)
    raise Misfit(f"its scales are {str(scales)[:40]}, not two numbers from 1 to 64")
