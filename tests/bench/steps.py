"""Runs of `srcli bench` and what they print."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from srcli.cli.app import app


def bench(*arguments: object):
    return CliRunner().invoke(app, ["bench", *[str(a) for a in arguments]])


def records(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]
