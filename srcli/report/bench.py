"""The report of `bench`: tables, the perception-distortion plane, time per stage and crops, in one file."""

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
    """The page of what results.json holds, and of crops; it needs no other file."""
    files.write_text(out, page.fill("bench.html", EMPTY | {"peak": None} | data | {"definitions": DEFINITIONS}))
    return out
