"""A folder of results that grows picture by picture and can be taken up again."""

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
    """A folder whose results do not belong to this run, or cannot be read."""

    exit_code = 2


@dataclass(slots=True)
class Results:
    """`scores.csv` of a folder, one line per picture, scale and variant, written as they come; `settings.json` says
    what they were measured with, and other settings are refused."""

    folder: Path
    metrics: Sequence[Metric]
    scores: dict[tuple[str, int, str], Score] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, settings: dict[str, Any], metrics: Sequence[Metric]) -> Results:
        """Begins in a folder, or goes on with what lies there. settings: whatever scores depend on, that of each
        variant under `variants`; variants may be added later."""
        files.make_folder(folder)
        results, table = cls(folder, metrics), folder / "scores.csv"
        if table.exists():
            before = read_json(folder / "settings.json")
            variants = before.get("variants", {})
            changed = [k for k in settings if k != "variants" and settings[k] != before.get(k)]
            changed += [k for k, v in settings["variants"].items() if v != variants.get(k, v)]
            if changed:
                raise ResultsError(
                    f"{folder} holds results of other settings ({', '.join(changed)}); take another folder"
                )
            settings = settings | {"variants": variants | settings["variants"]}
            results._read(table)
        # Before the first new line: a line that was cut short is gone.
        files.write_text(table, "".join(results._line(cells) for cells in results._cells()))
        files.write_text(folder / "settings.json", json.dumps(settings, indent=2) + "\n")
        return results

    def done(self, variant: str, scale: int, image: str) -> bool:
        """Whether there is a score of that already."""
        return (variant, scale, image) in self.scores

    def wanted(self, labels: Sequence[str], scales: Sequence[int]) -> list[Score]:
        """The scores of these variants and scales, in their order."""
        found = [s for s in self.scores.values() if s.variant in labels and s.scale in scales]
        return sorted(found, key=lambda s: (scales.index(s.scale), labels.index(s.variant)))

    def add(self, score: Score) -> None:
        """Keeps a score, in memory and in the file."""
        self.scores[score.variant, score.scale, score.image] = score
        with (self.folder / "scores.csv").open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            file.write(self._line(self._of(score)))

    def _cells(self) -> list[list[Any]]:
        return [[*FIXED, *(m.name for m in self.metrics)], *(self._of(s) for s in self.scores.values())]

    def _of(self, score: Score) -> list[Any]:
        values = ["" if (v := score.values[m.name]) is None else repr(v) for m in self.metrics]
        return [score.variant, score.scale, score.image, f"{score.seconds:.4f}", *values]

    @staticmethod
    def _line(cells: list[Any]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(cells)
        return buffer.getvalue()

    def _read(self, table: Path) -> None:
        text = table.read_text(encoding="utf-8", errors="surrogateescape")
        whole = text[: text.rfind("\n") + 1]  # without its end a number may lack digits
        try:
            for line in csv.DictReader(io.StringIO(whole)):
                values = {m.name: float(line[m.name]) if line[m.name] else None for m in self.metrics}
                key = (line["variant"], int(line["scale"]), line["image"])
                self.scores[key] = Score(*key, float(line["seconds"]), values)
        except (KeyError, TypeError, ValueError) as error:
            raise ResultsError(f"{table} is damaged ({error}); take another folder") from error


def read_json(path: Path) -> dict[str, Any]:
    """What a file of the folder holds; nothing where it does not exist."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ResultsError(f"{path} is damaged ({error}); take another folder") from error
