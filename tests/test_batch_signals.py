"""Signals at any moment of a run: what has a name is whole, and the next run does the rest."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from batch_steps import COMMAND, ENVIRONMENT, QUICK, contents, entries, photos, srcli, statuses, tree

# A run is held at a moment of its second file: its driver replaces one function by one that says so and waits.
DRIVER = """
import functools, sys, time
from pathlib import Path
moment, mark = sys.argv[1], Path(sys.argv[2])
from srcli import files
from srcli.batch import work
from srcli.batch.ledger import Ledger
from srcli.images import encode
from srcli.strips import Job
owner, name = {
    "decode": (work.images, "open_bytes"), "compute": (Job, "_make"), "write": (encode, "still"),
    "rename": (files.Claim, "finish"), "ledger": (Ledger, "add"),
}[moment]
original, calls = getattr(owner, name), 0
@functools.wraps(original)
def held(*arguments, **named):
    global calls
    calls += 1
    if calls == 2:
        if moment == "write":
            arguments[1].write(b"half a file"); arguments[1].flush()
        mark.touch()
        while mark.exists():
            time.sleep(0.01)
        if moment == "write":
            arguments[1].seek(0); arguments[1].truncate()
    return original(*arguments, **named)
setattr(owner, name, held)
from srcli.cli.app import app
app(["upscale", *sys.argv[3:]])
"""
MOMENTS = ["decode", "compute", "write", "rename", "ledger"]


class Held:
    """A run over a folder of pictures that waits at a moment of its second file until `go_on`."""

    def __init__(self, folder: Path, out: Path, moment: str) -> None:
        self.out, self.mark = out, out.parent / f"{out.name} {moment}"
        command = [sys.executable, "-c", DRIVER, moment, str(self.mark), str(folder), "-o", str(out), "--json", *QUICK]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        while not self.mark.exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def go_on(self) -> None:
        self.mark.unlink()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        self.stdout, self.stderr = self.process.communicate(timeout=60)
        assert b"Traceback" not in self.stderr, self.stderr
        return self.process.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Six pictures, and what an undisturbed run makes of them."""
    place = tmp_path_factory.mktemp("undisturbed")
    photos(place / "in", 6)
    assert srcli(place / "in", "-o", place / "out").exit_code == 0
    return place


def check_whole(place: Path, out: Path) -> None:
    """Whatever has a name is a result."""
    wanted = contents(place / "out")
    for name, data in contents(out).items():
        assert name.startswith(".srcli-") or data == wanted[name], f"{name} is not whole"


def check_resumed(place: Path, out: Path) -> None:
    """The next run does the rest, nothing twice, and clears up."""
    check_whole(place, out)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.png")} if out.exists() else {}
    result = srcli(place / "in", "-o", out, "--json")
    assert result.exit_code == 0, result.output
    done = len(tree(place / "out")) - len(before)
    assert statuses(result) == Counter({"done": done, "skipped": len(before)}) - Counter()
    assert contents(out) == contents(place / "out")
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert all(count == 1 for count in Counter(e["output"] for e in entries(out)).values())


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_at_any_moment_leaves_whole_files_and_the_next_run_does_the_rest(undisturbed, tmp_path, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)
    held.signal(signal.SIGKILL)
    assert held.ended() == -signal.SIGKILL
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.parametrize("moment", ["compute", "write"])
def test_interrupted_once_a_run_finishes_the_current_file(undisturbed, tmp_path, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)
    held.signal(signal.SIGINT)
    time.sleep(0.3)
    held.go_on()
    assert held.ended() == 130
    assert b"Ctrl-C again" in held.stderr
    assert tree(tmp_path / "out") >= {"000_x2.png", "001_x2.png"}
    assert len(tree(tmp_path / "out")) < 6
    summary = json.loads(held.stdout.splitlines()[-1])
    assert summary["exit_code"] == 130
    assert summary["summary"]["done"] + summary["summary"]["not done"] == 6
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.parametrize(
    ("signals", "code", "moment"),
    [
        ([signal.SIGINT, signal.SIGINT], 130, "decode"),
        ([signal.SIGINT, signal.SIGINT], 130, "compute"),
        ([signal.SIGINT, signal.SIGINT], 130, "write"),
        ([signal.SIGTERM], 143, "compute"),
        ([signal.SIGTERM], 143, "write"),
        ([signal.SIGHUP], 129, "rename"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_a_run_that_is_to_stop_stops_now_and_clears_up(undisturbed, tmp_path, signals, code, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)  # and does not go on
    for number in signals:
        held.signal(number)
        time.sleep(0.3)
    start = time.monotonic()
    assert held.ended() == code
    assert time.monotonic() - start < 5
    assert not [name for name in tree(tmp_path / "out") if name.startswith(".srcli-")]
    assert json.loads(held.stdout.splitlines()[-1])["exit_code"] == code
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signals_at_random_moments(tmp_path, number):
    place, out = tmp_path, tmp_path / "torn"
    photos(place / "in", 24, height=48, width=64)
    srcli(place / "in", "-o", place / "out")
    random, torn = np.random.default_rng(int(number)), 0
    for _ in range(6):
        command = [*COMMAND, str(place / "in"), "-o", str(out), *QUICK]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        before = set(out.glob("*"))
        while run.poll() is None and len(before) < 24 and set(out.glob("*")) == before:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        run.send_signal(number)
        _, stderr = run.communicate(timeout=60)
        assert run.returncode in (0, -number, 128 + number)
        assert b"Traceback" not in stderr
        check_whole(place, out)
        torn += run.returncode != 0
    assert torn >= 2
    check_resumed(place, out)
