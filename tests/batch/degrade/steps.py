"""Runs of `srcli degrade` over folders, and what they leave."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from typer.testing import CliRunner

from srcli.batch.ledger import NAME
from srcli.cli.app import app
from tests.support.degrading import names, records

RUNNER = CliRunner()
PRESET = ["--preset", "light"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def degrade(*arguments: object, code: int = 0, text: bytes | None = None):
    result = RUNNER.invoke(app, ["degrade", *[str(a) for a in arguments]], input=text)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def pictures(folder: Path) -> list[str]:
    """Results below a folder; each must have its parameters and nothing else may be there."""
    found = [n for n in names(folder) if not n.endswith((".json", NAME))]
    assert names(folder) == sorted([*found, *(str(Path(n).with_suffix(".json")) for n in found), *ledgers(folder)])
    return found


def ledgers(folder: Path) -> list[str]:
    return [n for n in names(folder) if n.endswith(NAME)]


def statuses(result) -> Counter[str]:
    return Counter(r["status"] for r in records(result))
