"""Steps of tests of blind comparisons."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from srcli.bench import ballots
from srcli.cli.app import app

MODELS = ("-n", "bicubic", "-n", "linf-s", "-s", 2)


def compare(*arguments: object, answers: str | None = None):
    return CliRunner().invoke(app, ["compare", *[str(a) for a in arguments]], input=answers)


def sides(page: Path) -> list[tuple[str, str, str]]:
    """Picture, left and right of each pair."""
    ballot = ballots.read(page)
    return [(ballot.scenes[pair[0]]["name"], *ballot.names(pair)) for pair in ballot.pairs]
