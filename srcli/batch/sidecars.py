"""The files of parameters beside degraded pictures, and the names that keep the pictures of two models apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

from srcli.batch.modes import MARK
from srcli.degradation import trajectory
from srcli.degradation.presets import PRESETS

# Names of results, with the model if another one's result has the name.
RESULT = re.compile(
    rf"(.+)_(?:{'|'.join([*PRESETS, MARK])})_(?:x\d+(?:\.\d+)?|{'|'.join(trajectory.NAMES.values())})"
    rf"(?:_{MARK}[\w.-]*)?"
)


def parameters_of(path: Path) -> Path:
    """The JSON file of a result's parameters."""
    return path.with_suffix(".json")


def named_apart(path: Path, model: str) -> Path:
    """The default name of a result, or the one with its model if another model's result has that name."""
    marked = path.with_name(f"{path.stem}_{model}{path.suffix}")
    if _model_of(marked) == model:
        return marked
    return path if _model_of(path) in (None, model) else marked


def _model_of(path: Path) -> str | None:
    """The model that made a result, by its parameters."""
    try:
        told = json.loads(parameters_of(path).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told.get("model") if isinstance(told, dict) else None
