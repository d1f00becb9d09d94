"""As the first process of a container, for which the kernel ignores SIGTERM unless somebody handles it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, photos
from tests.support import children

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
ASKED = """
import os, signal, sys, time
from srcli.__main__ import end_as_init
end_as_init()
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_first_process_exits_by_itself(name):
    """It does not rely on the default action, which process 1 does not have."""
    run = children.start([sys.executable, "-c", ASKED, name], env=ENVIRONMENT)
    assert run.wait(timeout=60) == 128 + getattr(signal, name)


def test_a_signal_that_is_ignored_stays_so():
    code = "import signal as s, srcli.__main__ as m; m.end_as_init(); print(s.getsignal(s.SIGHUP) == s.SIG_IGN)"
    run = children.start([sys.executable, "-c", code], ignored=[signal.SIGHUP], text=True, env=ENVIRONMENT)
    assert run.communicate(timeout=60)[0] == "True\n"


def child_of(process: int) -> int | None:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(listed[0]) if listed else None


def handles_sigterm(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("made", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.slow)])
def test_sigterm_ends_process_1_while_it_starts_and_while_it_works(tmp_path, made):
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("process namespaces cannot be made here")
    photos(tmp_path / "in", 200)
    command = [str(shutil.which("unshare")), *UNSHARE[1:], *COMMAND, str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    run = children.start([*command, *QUICK], env=ENVIRONMENT)
    while (first := child_of(run.pid)) is None or not handles_sigterm(first):
        time.sleep(0.01)
    while len(list((tmp_path / "out").glob("*.png"))) < made:
        assert run.poll() is None
        time.sleep(0.01)
    subprocess.run(["kill", "-TERM", str(first)], check=True)
    assert run.wait(timeout=30) in (143, -signal.SIGTERM)
    assert not list((tmp_path / "out").glob(".srcli-*.part"))
