"""A folder of results that grows picture by picture and can be taken up again."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srcli.bench.metrics import Metric
from srcli.bench.quality import Score
from srcli.errors import SrcliError

FIXED = ("variant", "scale", "image", "seconds")


class ResultsError(SrcliError):
    """A folder whose results do not belong to this run."""

    exit_code = 2


@dataclass(slots=True)
class Results:
    """`scores.csv` of a folder, one line per picture, scale and variant, written as they come; `settings.json` says
    what they were measured with, and other settings are refused."""

    folder: Path
    metrics: Sequence[Metric]
    scores: list[Score]

    @classmethod
    def open(cls, folder: Path, settings: dict[str, Any], metrics: Sequence[Metric]) -> Results:
        """Begins in a folder, or goes on with what lies there."""
        folder.mkdir(parents=True, exist_ok=True)
        kept, table = folder / "settings.json", folder / "scores.csv"
        if table.exists() and kept.exists():
            before = json.loads(kept.read_text())
            # More models may be added; what is the same must have stayed so.
            models = before.get("models", {})
            known = {k: v for k, v in settings["models"].items() if k in models}
            changed = [k for k in settings if k != "models" and settings[k] != before.get(k)]
            changed += [k for k in known if known[k] != models[k]]
            if changed:
                raise ResultsError(
                    f"{folder} holds results of other settings ({', '.join(changed)}); take another folder"
                )
            settings = settings | {"models": models | settings["models"]}
        kept.write_text(json.dumps(settings, indent=2) + "\n")
        results = cls(folder, metrics, [])
        before_it = list(results._read(table)) if table.exists() else []
        with table.open("w", newline="") as file:  # a line that was cut short is gone
            csv.writer(file).writerow([*FIXED, *(m.name for m in metrics)])
        for score in before_it:
            results.add(score)
        return results

    def done(self, variant: str, scale: int, image: str) -> bool:
        """Whether there is a score of that already."""
        return any((s.variant, s.scale, s.image) == (variant, scale, image) for s in self.scores)

    def wanted(self, variants: Sequence[str], scales: Sequence[int]) -> list[Score]:
        """The scores of these variants and scales, in their order."""
        found = [s for s in self.scores if s.variant in variants and s.scale in scales]
        return sorted(found, key=lambda s: (scales.index(s.scale), variants.index(s.variant)))

    def add(self, score: Score) -> None:
        """Keeps a score, in memory and in the file."""
        self.scores.append(score)
        values = ["" if (v := score.values[m.name]) is None else repr(v) for m in self.metrics]
        with (self.folder / "scores.csv").open("a", newline="") as file:
            csv.writer(file).writerow([score.variant, score.scale, score.image, f"{score.seconds:.4f}", *values])

    def _read(self, table: Path):
        with table.open(newline="") as file:
            for line in csv.DictReader(file):
                if None in line.values():
                    continue
                values = {m.name: float(line[m.name]) if line.get(m.name) else None for m in self.metrics}
                yield Score(line["variant"], int(line["scale"]), line["image"], float(line["seconds"]), values)
