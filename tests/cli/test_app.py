"""The command itself: its help, its version, its exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

from srcli.cli.shared.console import Output
from tests.support.command import srcli


def test_help_imports_nothing_heavy():
    """`benchmarks/speed/startup.py` measures how quick it is."""
    code = (
        "import sys; from typer.testing import CliRunner; from srcli.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert not {'torch', 'cv2', 'numpy', 'PIL'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_version_and_doctor():
    from srcli import __version__

    assert __version__ in srcli("--version").stdout
    facts = json.loads(srcli("doctor", "--json").stdout)
    assert [m["name"] for m in facts["models"][:2]] == ["auto", "linf-lp-s"]
    assert all(len(f["sha256"]) == 64 for m in facts["models"] for f in m["files"])


def test_the_command_itself_returns_its_exit_code(tmp_path):
    environment = os.environ | {"NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "srcli", "upscale", str(tmp_path / "no.png")],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.strip() == f"failed: {tmp_path / 'no.png'} does not exist"


def test_a_record_is_written_with_its_line_end_so_that_no_signal_parts_them(monkeypatch):
    class Writes(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(text)
            return len(text)

    seen: list[str] = []
    monkeypatch.setattr(sys, "stdout", Writes())
    Output(json=True).record({"a": 1})
    assert [text for text in seen if text] == ['{"a": 1}\n']
