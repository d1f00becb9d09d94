"""Photos to degrade, and what a run of `srcli degrade` leaves and tells."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from tests.methods.degflow.networks import photo


def saved(path: Path, height: int = 70, width: int = 90, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(height, width)).convert(mode).save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def records(result) -> list[dict]:
    """Of a run with --json, without the summary."""
    return [json.loads(line) for line in result.stdout.splitlines()][:-1]
