"""Run a quality or speed benchmark and publish its results in a folder, which may hold both."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srcli import __version__, files, runtime
from srcli.bench import quality
from srcli.bench.crops import CropCollector
from srcli.bench.metrics import Files, Metric
from srcli.bench.quality import Photos, Row, RunLog, Score
from srcli.bench.results import Results, read_json
from srcli.bench.timing import Timing
from srcli.bench.variants import Variant, digest
from srcli.report import bench as page
from srcli.report.page import finite


@dataclass(frozen=True, slots=True)
class Scored:
    """The results of a quality run."""

    rows: list[Row]
    scores: list[Score]
    log: RunLog


def score(
    variants: Sequence[Variant],
    photos: Photos,
    scales: Sequence[int],
    metrics: Sequence[Metric],
    settings: dict[str, Any],
    folder: Path | None,
    progress: Callable[[int, int], None],
) -> Scored:
    """Score all variants on all photos. With a folder, continue an earlier run."""
    log, labels = RunLog(), [v.label for v in variants]
    if folder is None:
        scores = list(quality.score(variants, photos, scales, metrics, log, progress=progress))
    else:
        results = Results.open(folder, settings, metrics)
        crops = CropCollector(folder / "crops.json", max(scales), labels)
        for found in quality.score(variants, photos, scales, metrics, log, results.done, progress, crops):
            results.add(found)
        scores = results.wanted(labels, scales)
    return Scored(quality.summarise(scores, metrics, labels, scales, log), scores, log)


def settings_of(
    variants: Sequence[Variant], photos: Photos, metrics: Sequence[Metric], parameters: Files, tile: int
) -> dict[str, Any]:
    """Everything that scores depend on, to be stored beside them."""
    given = {k: getattr(parameters, k) for k in Files.__slots__}
    return {
        "srcli": __version__,
        "data": [str(photos.folder.resolve()), digest(photos.files)],
        "low": photos.degradation if photos.low is None else photos.low.fingerprint(),
        "metrics": [m.name for m in metrics],
        "parameters": {k: digest(paths) if paths else None for k, paths in given.items()},
        "tile": tile,
        "variants": {v.label: v.fingerprint() for v in variants},
    }


def publish_quality(
    folder: Path, command: str, chosen: runtime.Runtime, metrics: Sequence[Metric], scored: Scored
) -> Path:
    """Write the scores to results.json and index.html, keeping times that are there. Returns the page."""
    log = scored.log
    data = {
        "metrics": [{"name": m.name, "title": m.title} | _shown(m, m.digits) for m in metrics],
        "columns": [{"name": n, "title": t} | _shown(m, digits) for m in metrics for n, t, digits in m.columns()],
        "rows": [r.to_dict() for r in scored.rows],
        "scores": [s.to_dict() for s in scored.scores],
        "problems": log.problems,
        "seconds": {"making": round(log.making, 1), "measuring": round(log.measuring, 1)},
    }
    return _publish(folder, "quality", command, chosen, data)


def publish_times(folder: Path, command: str, chosen: runtime.Runtime, timings: Sequence[Timing], peak: float) -> Path:
    """Write the times to results.json and index.html, keeping scores that are there. Returns the page."""
    return _publish(folder, "time", command, chosen, {"timings": [t.to_dict() for t in timings], "peak": peak})


def _publish(folder: Path, part: str, command: str, chosen: runtime.Runtime, data: dict[str, Any]) -> Path:
    files.make_folder(folder)
    whole = read_json(folder / "results.json")
    when = f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    runs = whole.get("runs", {}) | {part: {"command": command, "date": when} | runtime.facts(chosen)}
    whole |= {"runs": runs} | data
    files.write_text(folder / "results.json", json.dumps(finite(whole), indent=1) + "\n")
    crops = read_json(folder / "crops.json").get("found", [])
    return page.write(folder / "index.html", whole | {"crops": crops})


def _shown(metric: Metric, digits: int) -> dict[str, Any]:
    return {"higher": metric.higher_is_better, "digits": digits}
