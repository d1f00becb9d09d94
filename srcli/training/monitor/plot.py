"""Curves of a run."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from srcli.errors import SrcliError
from srcli.training.recipe import RecipeError

SMOOTHING = 20  # log lines in a moving average


def plot_run(folder: Path, out: Path) -> Path:
    """One panel per loss in log.csv and one for the scores in validation.csv, as a picture."""
    figure_of = _figure()
    losses, scores = _columns(folder / "log.csv"), _columns(folder / "validation.csv")
    if not losses:
        raise RecipeError(f"{folder} holds no run with a line in its log.csv")
    panels = [(k, [k]) for k in losses if k not in ("step", "seconds")]
    if scores:
        panels.append(("validation", [k for k in scores if k != "step"]))
    figure = figure_of(figsize=(4.5 * len(panels), 3.6), layout="constrained")
    for number, (title, keys) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number)
        table = scores if title == "validation" else losses
        for key in keys:
            if title == "validation":
                axes.plot(table["step"], table[key], marker=".", label=key)
            else:
                axes.plot(table["step"], table[key], alpha=0.25)
                axes.plot(table["step"], _smooth(table[key]), label=key)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(out, dpi=110)
    return out


def plot_curves(curves: Mapping[str, Sequence[Mapping[str, float]]], panels: Mapping[str, str], out: Path) -> Path:
    """One panel for each value that `panels` gives a title: over `step`, a line for each entry of `curves`, dashed for
    those called guided."""
    figure_of = _figure()
    figure = figure_of(figsize=(4.5 * len(panels), 3.8), layout="constrained")
    kinds = list(dict.fromkeys(label.removesuffix(" guided") for label in curves))
    for number, (name, title) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        for label, rows in curves.items():
            style = "--" if label.endswith(" guided") else "-"
            colour = f"C{kinds.index(label.removesuffix(' guided'))}"
            steps, values = ([row[key] for row in rows] for key in ("step", name))
            axes.plot(steps, values, style, color=colour, marker=".", label=label)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(curves))
    figure.savefig(out)
    return out


def _figure():
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SrcliError('plots need matplotlib; run: pip install "srcli[train]"') from None
    return Figure


def _columns(path: Path) -> dict[str, list[float]]:
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]} if rows else {}


def _smooth(values: list[float]) -> list[float]:
    """Moving averages; NaN, for what had no value, stays."""
    windows = (values[max(0, i - SMOOTHING + 1) : i + 1] for i in range(len(values)))
    known = ([v for v in window if not math.isnan(v)] for window in windows)
    return [v if math.isnan(v) else sum(k) / len(k) for v, k in zip(values, known, strict=True)]
