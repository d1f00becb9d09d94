"""The report of `srcli bench`: tables, the perception-distortion plane, time per stage and crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from srcli import files
from srcli.report import page

EMPTY: dict[str, list] = {
    "metrics": [], "columns": [], "rows": [], "scores": [], "timings": [], "problems": [], "crops": [],
}  # fmt: skip
DEFINITIONS = (
    "PSNR and SSIM leave out a border of the scale; Y is BT.601 studio luma, not rounded. LPIPS sees the whole "
    "picture; its variants cannot be compared. LR-PSNR: the result made small again against its input. Grid score: "
    "power of a pattern of 3 pixels over its neighbourhood; natural photos have about 1."
)


def write(out: Path, data: dict[str, Any]) -> Path:
    """Write a self-contained page with the content of results.json and the crops. Returns its path."""
    files.write_text(out, page.fill("bench.html", EMPTY | {"peak": None} | data | {"definitions": DEFINITIONS}))
    return out
