"""Collect crops where variants differ most, for the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from srcli import files
from srcli.bench.quality import Watcher
from srcli.bench.results import read_json
from srcli.bench.variants import Case
from srcli.report import page

SIDE = 56  # pixels per side of a crop of the result
MAX_PICTURES = 8


class CropCollector(Watcher):
    """For the first pictures at one scale, keeps the square in which the variants differ most, in a JSON file.

    CropCollector of an earlier run are used again if its scale and labels were the same.
    """

    def __init__(self, path: Path, scale: int, labels: Sequence[str]) -> None:
        self.path, self.scale, self.labels = path, scale, list(labels)
        earlier = read_json(path)
        same = (earlier.get("scale"), earlier.get("labels")) == (scale, self.labels)
        self.found: list[dict[str, Any]] = earlier["found"] if same else []

    def wants(self, image: str, scale: int) -> bool:
        return scale == self.scale and len(self.found) < MAX_PICTURES and image not in {c["image"] for c in self.found}

    def see(self, case: Case, made: dict[str, np.ndarray]) -> None:
        if not self.wants(case.name, case.scale) or list(made) != self.labels:
            return
        top, left = _most_different(list(made.values()), case.reference)
        square = (slice(top, top + SIDE), slice(left, left + SIDE))
        shots = [{"label": n, "src": page.png_url(i[square])} for n, i in [("original", case.reference), *made.items()]]
        place = {"image": case.name, "scale": case.scale, "left": left, "top": top, "side": SIDE}
        self.found.append(place | {"shots": shots})
        text = json.dumps({"scale": self.scale, "labels": self.labels, "found": self.found})
        files.write_text(self.path, text + "\n")


def _most_different(made: Sequence[np.ndarray], reference: np.ndarray) -> tuple[int, int]:
    """Top left corner of the square where variants vary most; for a single one, where its error is largest."""
    stack = np.stack([m.astype(np.float32) for m in (made if len(made) > 1 else [*made, reference])])
    spread = stack.var(axis=0).mean(axis=2)
    height, width = (max(1, n - SIDE + 1) for n in spread.shape)
    sums = cv2.boxFilter(spread, -1, (SIDE, SIDE), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)[:height, :width]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return int(top), int(left)
