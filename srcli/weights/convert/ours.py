"""Safetensors that `srcli` itself has written, converted or trained: they say their architecture."""

from __future__ import annotations

import json
from typing import Any

from srcli.weights.convert.family import Checkpoint, Converted, Misfit

# Pipeline and role of what `srcli train export` writes, by kind of architecture.
TRAINED = {
    "linf": ("linf", "flow"),
    "grid-prior": ("linf", "prior"),
    "srflow": ("srflow", "flow"),
    "level-prior": ("srflow", "prior"),
    "velocity": ("flowsr", "velocity"),
}
SCALES = (1.0, 8.0)


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
    pipeline, role = TRAINED.get(kind, ("", "")) if isinstance(kind, str) else ("", "")
    pipeline, role = said.get("pipeline", pipeline), said.get("role", role)
    if not pipeline or not role:
        raise Misfit(f"it says neither pipeline nor role, and its kind {str(kind)[:40]!r} does not tell")
    family = said.get("family", pipeline)
    return Converted(family, pipeline, role, _range(scales), architecture, checkpoint.tensors, checkpoint.source)


def _range(scales: Any) -> tuple[float, float]:
    if scales is None:
        return SCALES
    if isinstance(scales, list) and len(scales) == 2 and all(isinstance(s, (int, float)) for s in scales):
        return float(scales[0]), float(scales[1])
    raise Misfit(f"its scales are {str(scales)[:40]}, not two numbers")
