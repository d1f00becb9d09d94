"""A folder of scores that grows picture by picture and lets an interrupted run continue."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srcli import files
from srcli.bench.metrics import Metric
from srcli.bench.quality import Score
from srcli.errors import SrcliError

FIXED = ("variant", "scale", "image", "seconds")


class ResultsError(SrcliError):
    """A folder whose results are damaged or have other settings."""

    exit_code = 2


@dataclass(slots=True)
class Results:
    """The scores in a folder.

    `scores.csv` has one line per picture, scale and variant, written as they come. `settings.json` holds the settings
    they were measured with; other settings are refused.
    """

    folder: Path
    metrics: Sequence[Metric]
    scores: dict[tuple[str, int, str], Score] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, settings: dict[str, Any], metrics: Sequence[Metric]) -> Results:
        """Open a folder and read its scores.

        settings: everything that scores depend on, with that of each variant under `variants`. Variants may be added
            later.

        Raises ResultsError if the folder has other settings.
        """
        files.make_folder(folder)
        results, table = cls(folder, metrics), folder / "scores.csv"
        if table.exists():
            before = read_json(folder / "settings.json")
            variants = before.get("variants", {})
            changed = [k for k in settings if k != "variants" and settings[k] != before.get(k)]
            changed += [k for k, v in settings["variants"].items() if v != variants.get(k, v)]
            if changed:
                raise ResultsError(
                    f"{folder} holds results with other settings ({', '.join(changed)}); use another folder"
                )
            settings = settings | {"variants": variants | settings["variants"]}
            results._read(table)
        # Rewritten first, without a truncated last line.
        files.write_text(table, "".join(results._line(cells) for cells in results._cells()))
        files.write_text(folder / "settings.json", json.dumps(settings, indent=2) + "\n")
        return results

    def done(self, variant: str, scale: int, image: str) -> bool:
        """Whether this score exists."""
        return (variant, scale, image) in self.scores

    def wanted(self, labels: Sequence[str], scales: Sequence[int]) -> list[Score]:
        """The scores of these variants at these scales, in order."""
        found = [s for s in self.scores.values() if s.variant in labels and s.scale in scales]
        return sorted(found, key=lambda s: (scales.index(s.scale), labels.index(s.variant)))

    def add(self, score: Score) -> None:
        """Add a score, in memory and in the file."""
        self.scores[score.variant, score.scale, score.image] = score
        with (self.folder / "scores.csv").open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            file.write(self._line(self._row(score)))

    def _cells(self) -> list[list[Any]]:
        return [[*FIXED, *(m.name for m in self.metrics)], *(self._row(s) for s in self.scores.values())]

    def _row(self, score: Score) -> list[Any]:
        values = ["" if (v := score.values[m.name]) is None else repr(v) for m in self.metrics]
        return [score.variant, score.scale, score.image, f"{score.seconds:.4f}", *values]

    @staticmethod
    def _line(cells: list[Any]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(cells)
        return buffer.getvalue()

    def _read(self, table: Path) -> None:
        text = table.read_text(encoding="utf-8", errors="surrogateescape")
        whole = text[: text.rfind("\n") + 1]  # a truncated line may have lost digits
        try:
            for line in csv.DictReader(io.StringIO(whole)):
                values = {m.name: float(line[m.name]) if line[m.name] else None for m in self.metrics}
                key = (line["variant"], int(line["scale"]), line["image"])
                seconds = float(line["seconds"])
                self.scores[key] = Score(variant=key[0], scale=key[1], image=key[2], seconds=seconds, values=values)
        except (KeyError, TypeError, ValueError) as error:
            raise ResultsError(f"{table} is damaged ({error}); use another folder") from error


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if it does not exist. Raises ResultsError."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ResultsError(f"{path} is damaged ({error}); use another folder") from error
