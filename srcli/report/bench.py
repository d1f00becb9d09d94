"""The report of `bench`: tables, the perception-distortion plane, time per stage and crops, in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from srcli.bench.metrics import Metric
from srcli.bench.quality import Row, Score
from srcli.bench.timing import Timing
from srcli.bench.variants import Case
from srcli.errors import SrcliError
from srcli.report import page

CROP = 56  # side of a crop in pixels of the result
DEFINITIONS = (
    "PSNR and SSIM leave out a border of the scale; Y is BT.601 studio luma, not rounded. LPIPS sees the whole "
    "picture; its variants cannot be compared. LR-PSNR: the result made small again against its input. Grid score: "
    "power of a pattern of 3 pixels over its neighbourhood; natural photos have about 1."
)


@dataclass(slots=True)
class Crops:
    """For the first pictures at the largest scale: the square in which the variants differ most, as data of the page.

    They are kept in a file, so that a run that goes on has those of the pictures it no longer makes.
    """

    scale: int
    labels: Sequence[str]
    limit: int = 8
    found: list[dict[str, Any]] = field(default_factory=list)
    _pending: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def see(self, case: Case, image: np.ndarray) -> None:
        """Called with every result, in the order of the labels."""
        if case.scale != self.scale or (case.name not in self._pending and len(self.found) >= self.limit):
            return
        made = self._pending.setdefault(case.name, [])
        made.append(image)
        if len(made) == len(self.labels):
            del self._pending[case.name]
            top, left = _most_different(made, case.reference)
            square = (slice(top, top + CROP), slice(left, left + CROP))
            shots = [("original", case.reference), *zip(self.labels, made, strict=True)]
            place = {"image": case.name, "scale": case.scale, "left": left, "top": top, "side": CROP}
            self.found.append(place | {"shots": [{"label": n, "src": page.png_url(i[square])} for n, i in shots]})

    def read(self, path: Path) -> None:
        """Takes up what an earlier run with the same variants has kept."""
        kept = json.loads(path.read_text()) if path.is_file() else {}
        if (kept.get("scale"), kept.get("labels")) == (self.scale, list(self.labels)):
            self.found = kept["found"]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"scale": self.scale, "labels": list(self.labels), "found": self.found}) + "\n")


def _most_different(made: Sequence[np.ndarray], reference: np.ndarray) -> tuple[int, int]:
    """Upper left corner of the square with the largest variance between the variants; of one, its largest error."""
    stack = np.stack([m.astype(np.float32) for m in (made if len(made) > 1 else [*made, reference])])
    spread = stack.var(axis=0).mean(axis=2)
    height, width = (max(1, n - CROP + 1) for n in spread.shape)
    sums = cv2.boxFilter(spread, -1, (CROP, CROP), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)[:height, :width]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return int(top), int(left)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a bench run found out."""

    about: str
    command: str
    environment: dict[str, str]
    metrics: Sequence[Metric] = ()
    rows: Sequence[Row] = ()
    scores: Sequence[Score] = ()
    timings: Sequence[Timing] = ()
    crops: Sequence[dict[str, Any]] = ()
    problems: Sequence[str] = ()
    peak: float | None = None  # GFLOP/s

    def to_dict(self) -> dict[str, Any]:
        """What `results.json` holds: all but the pictures."""
        return {
            "about": self.about,
            "command": self.command,
            "environment": self.environment,
            "metrics": [
                {"name": m.name, "title": m.title, "higher": m.higher_is_better, "digits": m.digits}
                for m in self.metrics
            ],
            "columns": [
                {"name": name, "title": title, "higher": m.higher_is_better, "digits": digits}
                for m in self.metrics
                for name, title, digits in m.columns()
            ],
            "rows": [r.to_dict() for r in self.rows],
            "scores": [s.to_dict() for s in self.scores],
            "timings": [t.to_dict() for t in self.timings],
            "problems": list(self.problems),
            "peak": self.peak,
        }

    def write(self, out: Path) -> None:
        """The page, in one file that needs no other."""
        text = page.fill("bench.html", self.to_dict() | {"crops": list(self.crops), "definitions": DEFINITIONS})
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SrcliError(f"cannot write {out}: {error.strerror or error}") from error
