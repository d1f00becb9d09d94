"""The queue of a borrowed GPU: what it runs, that it goes on after a cut, and one real run with tiny sizes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.places import BENCHMARKS, EXAMPLES

SCRIPT = BENCHMARKS / "gpu_quarter_hour.sh"
# In place of Python: writes down what it is asked, and makes the files that the command would.
FAKE = """#!/usr/bin/env bash
[ "$1" = -c ] && { shift 3; exec "$0" "$@"; }
echo "$*" >> "$CALLS"
case "$*" in
*speed.py*) echo table ;;
*"srcli train export"*) echo weights > "$7" ;;
*"srcli train"*)
    all="$*" && run=${all##*--out }
    mkdir -p "${run%% *}"
    echo x > "${run%% *}/checkpoint.safetensors"
    sleep "${TAKES:-0}"
    case "$*" in *" failing "*) echo "no such thing"; exit 2 ;; esac
    echo "step ${STEP:-9} of 9; state in there" ;;
esac
"""
TINY = """
task = "flowsr"
[architecture]
kind = "velocity"
width = 16
before = 1
after = 1
coarse_width = 16
coarse = 1
thin = 8
[crops]
batch = 2
crop = 32
margin = 8
[optim]
name = "muon"
warmup = 1
steps = 3
[loss]
l2 = 1.0
"""

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="a shell script")


class Queue:
    """Runs of the script in a folder, with a fake Python."""

    def __init__(self, folder: Path, lines: str) -> None:
        self.folder, self.calls, self.out = folder, folder / "calls", folder / "out"
        (folder / "queue.txt").write_text(lines)
        (folder / "python").write_text(FAKE)
        (folder / "python").chmod(0o755)

    def start(self, **given: object) -> subprocess.Popen:
        self.calls.write_text("")
        settings = {"OUT": self.out, "CALLS": self.calls, "PYTHON": self.folder / "python", "DEVICE": "cpu", **given}
        environment = os.environ | {name: str(value) for name, value in settings.items()}
        command = ["bash", str(SCRIPT), str(self.folder / "queue.txt")]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def run(self, **given: object) -> list[str]:
        """What Python was asked, but for the table of benchmarks/gpu.py."""
        process = self.start(**given)
        process.communicate(timeout=900)
        assert process.returncode == 0
        return [call for call in self.calls.read_text().splitlines() if "benchmarks/gpu.py" not in call]


def test_runs_are_trained_exported_and_sampled_once(tmp_path):
    queue = Queue(
        tmp_path, "# nothing\n\n30 linf --data photos/ --init base.safetensors\n9 speed linf --data photos/\n"
    )
    train, export, upscale, speed = queue.run()
    assert "-m srcli train linf --data photos/ --init base.safetensors --out" in train
    assert "--max-minutes 0.5 --save-minutes 1" in train
    assert "srcli train export" in export
    assert "-m" in upscale.split("upscale")[1]
    assert speed.endswith("speed.py linf --data photos/ --device cpu")
    assert (queue.out / "runs" / "01-linf.done").exists()
    assert (queue.out / "weights" / "01-linf.safetensors").exists()
    assert (queue.out / "tables" / "02-speed.txt").read_text() == "table\n"
    assert queue.run() == []


def test_a_cut_run_goes_on_with_what_is_left_of_its_time(tmp_path):
    queue = Queue(tmp_path, "60 linf --data photos/ --init base.safetensors --seed 3 --val set/\n")
    process = queue.start(TAKES=30)
    deadline = time.monotonic() + 60
    while not (queue.out / "runs" / "01-linf.spent").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (train, *_) = queue.run(STEP=4)
    assert "--data photos/ --val set/ --resume --out" in train
    assert "--init" not in train
    assert "--seed" not in train
    minutes = float(train.split("--max-minutes ")[1].split()[0])
    assert minutes < 1
    assert not (queue.out / "runs" / "01-linf.done").exists()  # neither its time nor its steps are over
    (queue.out / "runs" / "01-linf.spent").write_text("60\n")
    export, upscale = queue.run()
    assert ("srcli train export" in export, "srcli upscale" in upscale) == (True, True)
    assert (queue.out / "runs" / "01-linf.done").exists()


def test_a_failure_is_told_and_the_next_run_begins(tmp_path):
    queue = Queue(tmp_path, "20 failing --data x\n20 linf --data photos/\n")
    calls = queue.run()
    assert sum("srcli train linf" in call for call in calls) == 1
    assert not any("export" in call and "failing" in call for call in calls)
    assert "01-failing: no such thing" in (queue.out / "log.txt").read_text()


def test_nothing_begins_without_time(tmp_path):
    queue = Queue(tmp_path, "20 linf --data photos/\n")
    assert queue.run(LIMIT=10, RESERVE=8) == []
    assert "no time left for 01-linf" in (queue.out / "log.txt").read_text()


@pytest.mark.slow
def test_a_tiny_queue_runs_on_a_cpu(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    options = f"--recipe {tmp_path / 'tiny.toml'} --data {EXAMPLES} --threads 1"
    queue = Queue(tmp_path, f"60 flowsr-base {options} --batches device\n")
    (tmp_path / "samples").mkdir()
    shutil.copy(EXAMPLES / "cat.png", tmp_path / "samples")
    queue.run(PYTHON=sys.executable, SAMPLES=tmp_path / "samples", LIMIT=600, TABLE="--help")
    log = (queue.out / "log.txt").read_text()
    assert "step 3 of 3" in log
    assert "weights and samples" in log
    assert [p.name for p in (queue.out / "samples" / "01-flowsr-base").glob("*.png")] == ["cat_x4.png"]
