"""Failures of `srcli degrade`, signals, and two processes on a folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from srcli.flows.ode import TooRough
from srcli.methods.degflow.model import DegflowModel
from tests.batch.degrade.steps import ENVIRONMENT, PRESET, degrade, pictures, statuses
from tests.support import children
from tests.support.degrading import saved


def test_failures_of_the_model_name_the_file(folder, tmp_path, learned, monkeypatch):
    plain, calls = DegflowModel.path, []

    def rough(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise TooRough("the flow is too rough")
        return plain(self, *arguments)

    monkeypatch.setattr(DegflowModel, "path", rough)
    result = degrade(folder, "-o", tmp_path / "out", "-s", 2, *learned, code=3)
    assert f"{folder / 'b.png'}: the flow is too rough" in result.stderr
    assert pictures(tmp_path / "out") == ["a_degflow_x2.png", "c_degflow_x2.png"]


DRIVER = """
import os, sys
from srcli.batch import modes
plain, calls, numbers = modes.degrade, [], [int(n) for n in sys.argv[1].split(",")]
def interrupted(*arguments):
    calls.append(1)
    if len(calls) == 2:
        for number in numbers:
            os.kill(os.getpid(), number)
    return plain(*arguments)
modes.degrade = interrupted
from srcli.cli.app import app
app(["degrade", *sys.argv[2:], "--preset", "light", "--json"])
"""


@pytest.mark.parametrize(
    ("signals", "code", "done"),
    [([signal.SIGINT], 130, 2), ([signal.SIGINT, signal.SIGINT], 130, 1), ([signal.SIGTERM], 143, 1)],
    ids=["once", "twice", "term"],
)
def test_interrupted_runs_leave_whole_files_and_go_on(folder, tmp_path, signals, code, done):
    numbers = ",".join(str(int(n)) for n in signals)
    command = [sys.executable, "-c", DRIVER, numbers, str(folder), "-o", str(tmp_path / "out")]
    ended = subprocess.run(
        children.with_signals(command), capture_output=True, env=ENVIRONMENT, timeout=120, check=False
    )
    assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False), ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert (summary["exit_code"], summary["summary"]) == (code, {"done": done, "not done": 3 - done})
    assert len(pictures(tmp_path / "out")) == done
    counts = statuses(degrade(folder, "-o", tmp_path / "out", "--json", *PRESET))
    assert counts == {"done": 3 - done, "skipped": done}


def test_two_processes_on_a_folder_make_every_file_once(tmp_path):
    for number in range(12):
        saved(tmp_path / "in" / f"{number:02}.png")
    command = [sys.executable, "-m", "srcli", "degrade", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--json"]
    runs = [children.start([*command, *PRESET, "-y"], env=ENVIRONMENT) for _ in range(2)]
    lines = [json.loads(line) for run in runs for line in run.communicate(timeout=120)[0].splitlines()]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum(line.get("status") == "done" for line in lines) == 12
    assert len(pictures(tmp_path / "out")) == 12


def test_a_folder_that_cannot_be_written_is_one_sentence_a_file(engine, folder, tmp_path):
    (tmp_path / "out").write_text("a file where a folder should be")
    result = degrade(folder / "a.png", "-o", tmp_path / "out" / "low", "-s", 2, *engine[1], code=1)
    assert "cannot write" in result.stderr
