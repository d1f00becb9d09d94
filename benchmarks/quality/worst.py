"""The rows of real.py in which a model does worst: by votes, then by LPIPS or NIQE against the best of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sheet import Row

from srcli.bench import votes


def lost(files: Sequence[Path], model: str) -> Counter[str]:
    """How many more votes a model lost than won, by the name of the picture without its suffix."""
    balance: Counter[str] = Counter()
    for vote in votes.together(files).votes if files else ():
        if model in (vote.left, vote.right) and vote.winner is not None:
            balance[Path(vote.picture).stem] += 1 if vote.winner != model else -1
    return balance


def worst(
    rows: Sequence[Row], scores: Sequence[dict], model: str, balance: Counter[str], count: int = 10
) -> list[tuple[Row, str]]:
    """Rows and why they are here, the worst first. Only rows that the model made, next to another one, can be."""
    found = []
    for row in rows:
        here = [s for s in scores if (s["group"], s["picture"], s["scale"]) == (row.group, row.name, row.scale)]
        mine, others = [s for s in here if s["model"] == model], [s for s in here if s["model"] != model]
        if not mine or not others:
            continue
        behind, words = _behind(mine[0], others)
        if balance:
            words = f"votes lost - won: {balance[row.name]}; {words}"
        found.append((balance[row.name], behind, row, words))
    found.sort(key=lambda each: each[:2], reverse=True)
    return [(row, words) for *_, row, words in found[:count]]


def _behind(mine: dict, others: Sequence[dict]) -> tuple[float, str]:
    """How far behind the best of the others, as a share of its value: of two metrics, one is comparable then."""
    for metric in ("lpips_squeeze", "niqe"):
        known = [s for s in others if s.get(metric) is not None]
        if mine.get(metric) is not None and known:
            best = min(known, key=lambda s: s[metric])
            share = mine[metric] / max(best[metric], 1e-6) - 1
            return share, f"{metric} {mine[metric]:.3f}, {best['model']} {best[metric]:.3f}"
    return 0.0, "not measured"
