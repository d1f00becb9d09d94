"""The page of `compare`: slider, side by side, difference, with zoom and pan in step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srcli import files
from srcli.report import page


def write(out: Path, labels: Sequence[str], scenes: Sequence[dict]) -> None:
    """The page, in one file that needs no other. scenes: {name, width, height, shots: [{src, note}]}."""
    files.make_folder(out.parent)
    files.write_text(out, page.fill("compare.html", {"labels": list(labels), "scenes": list(scenes)}))
