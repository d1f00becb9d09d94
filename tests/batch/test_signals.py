"""Signals at any moment of a run: what has a name is whole, and the next run does the rest."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, contents, entries, photos, srcli, statuses, tree
from tests.support import children

# A run is held at a moment of its second file: its driver replaces one function by one that says so and waits.
DRIVER = """
import functools, sys, time
from pathlib import Path
moment, mark = sys.argv[1], Path(sys.argv[2])
from srcli import files
from srcli.batch import work
from srcli.batch.ledger import Ledger
from srcli.images import encode
from srcli.tiling.strips import Job
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
MOMENTS = ["write", *(pytest.param(m, marks=pytest.mark.slow) for m in ("decode", "compute", "rename", "ledger"))]


class Held:
    """A run over a folder of pictures that waits at a moment of its second file until `go_on`."""

    def __init__(
        self, folder: Path, out: Path, moment: str, ignored: Sequence[int] = (), more: Sequence[str] = ()
    ) -> None:
        self.mark, self.notices = out.parent / f"{out.name} {moment}", out.parent / f"{out.name} notices"
        command = [
            sys.executable,
            "-c",
            DRIVER,
            moment,
            str(self.mark),
            str(folder),
            "-o",
            str(out),
            "--json",
            *QUICK,
            *more,
        ]
        with self.notices.open("wb") as notices:
            self.process = children.start(command, ignored=ignored, stderr=notices, env=ENVIRONMENT)
        self._wait(self.mark.exists)

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self.process.poll() is None, self.notices.read_text()
            time.sleep(0.01)

    def go_on(self) -> None:
        self.mark.unlink()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """SIGINT, until the run has said that it noticed."""
        self.signal(signal.SIGINT)
        self._wait(lambda: b"Ctrl-C again" in self.notices.read_bytes())

    def drain(self) -> None:
        """SIGTERM, until the run has said that it noticed."""
        self.signal(signal.SIGTERM)
        self._wait(lambda: b"send SIGTERM again" in self.notices.read_bytes())

    def ended(self) -> int:
        self.stdout, _ = self.process.communicate(timeout=120)
        assert "Traceback" not in self.notices.read_text()
        return self.process.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Six pictures, and what an undisturbed run makes of them."""
    place = tmp_path_factory.mktemp("undisturbed")
    photos(place / "in", 6)
    assert srcli(place / "in", "-o", place / "out").exit_code == 0
    return place


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """As `undisturbed`, with two dozen larger pictures."""
    place = tmp_path_factory.mktemp("many")
    photos(place / "in", 24, height=48, width=64)
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


@pytest.mark.parametrize("moment", ["compute", pytest.param("write", marks=pytest.mark.slow)])
def test_interrupted_once_a_run_finishes_the_current_file(undisturbed, tmp_path, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)
    held.interrupt()
    held.go_on()
    assert held.ended() == 130
    assert tree(tmp_path / "out") >= {"000_x2.png", "001_x2.png"}
    assert len(tree(tmp_path / "out")) < 6
    summary = json.loads(held.stdout.splitlines()[-1])
    assert summary["exit_code"] == 130
    assert summary["summary"]["done"] + summary["summary"]["not done"] == 6
    check_resumed(undisturbed, tmp_path / "out")


def test_drained_by_sigterm_a_run_finishes_the_current_file(undisturbed, tmp_path):
    held = Held(undisturbed / "in", tmp_path / "out", "compute", more=["--drain"])
    held.drain()
    held.go_on()
    assert held.ended() == 143
    assert {"000_x2.png", "001_x2.png"} <= tree(tmp_path / "out")
    assert len(tree(tmp_path / "out")) < 6
    assert json.loads(held.stdout.splitlines()[-1])["exit_code"] == 143
    check_resumed(undisturbed, tmp_path / "out")


def test_a_second_sigterm_ends_the_draining(undisturbed, tmp_path):
    held = Held(undisturbed / "in", tmp_path / "out", "compute", more=["--drain"])
    held.drain()
    held.signal(signal.SIGTERM)
    assert held.ended() == 143
    assert tree(tmp_path / "out") == {"000_x2.png"}
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGINT, 130, "compute"),  # the second one
        pytest.param(signal.SIGINT, 130, "decode", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, "write", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, "compute", marks=pytest.mark.slow),
        (signal.SIGTERM, 143, "write"),
        (signal.SIGHUP, 129, "rename"),
    ],
)
def test_a_run_that_is_to_stop_stops_now_and_clears_up(undisturbed, tmp_path, number, code, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)  # it never goes on, so a run that waits for it never ends
    if code == 130:
        held.interrupt()
    held.signal(number)
    assert held.ended() == code
    assert not [name for name in tree(tmp_path / "out") if name.startswith(".srcli-")]
    assert json.loads(held.stdout.splitlines()[-1])["exit_code"] == code
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.parametrize("number", [signal.SIGHUP, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_that_was_ignored_at_the_start_stays_so(undisturbed, tmp_path, number):
    """SIGHUP under nohup; SIGINT in background jobs of a shell."""
    held = Held(undisturbed / "in", tmp_path / "out", "compute", ignored=[number])
    held.signal(number)
    held.go_on()
    assert held.ended() == 0
    assert contents(tmp_path / "out") == contents(undisturbed / "out")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signals_at_random_moments(many, tmp_path, number):
    place, out = many, tmp_path / "torn"
    random, torn = np.random.default_rng(int(number)), 0
    for _ in range(4):
        command = [*COMMAND, str(place / "in"), "-o", str(out), *QUICK]
        run = children.start(command, env=ENVIRONMENT)
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
