"""`srcli degrade` with a tiny learned path."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from srcli.cli.app import app

RUNNER = CliRunner()
QUICK = ["--solver", "rk4", "--steps", 2, "--threads", 1]


@pytest.fixture
def learned(tiny_degflow):
    """Runs the command with that generator; the exit code and what it said."""

    def run(*arguments: object, code: int = 0):
        given = ["--autoencoder", tiny_degflow.autoencoder, "--flow", tiny_degflow.flow, *QUICK]
        result = RUNNER.invoke(app, [str(a) for a in ["degrade", *arguments, *given]])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run
