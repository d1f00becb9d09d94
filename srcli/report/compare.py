"""The page of `srcli compare`: slider, side by side and difference, with synchronised zoom and pan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srcli import files
from srcli.report import page


def write(out: Path, labels: Sequence[str], scenes: Sequence[dict]) -> None:
    """Write a self-contained page.

    labels: of the versions of each scene.
    scenes: {name, width, height, clear, shots: [{src, note}]} each; clear: whether one is transparent; a shot is None
        where the scene lacks that version.
    """
    files.make_folder(out.parent)
    files.write_text(out, page.fill("compare.html", {"labels": list(labels), "scenes": list(scenes)}))
