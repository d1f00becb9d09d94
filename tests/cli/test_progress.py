"""The progress of a run: it moves within a tile, never passes the whole, and is one for all files."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli import Upscaler, files
from srcli.batch import Record
from srcli.batch.names import Item
from srcli.cli.shared import progress
from srcli.geometry import Target
from srcli.images.read import from_pil
from srcli.tiling import pulse, strips
from srcli.tiling.model import Sampling
from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, photo, photos, srcli
from tests.support.places import EXAMPLES


def told(upscaler: Upscaler, scale: float = 2, sampling: Sampling | None = None, alpha: bool = False) -> list[float]:
    """The shares that an upscaler reports of a picture."""
    with Image.open(EXAMPLES / "cat.png") as cat:
        picture = cat.convert("RGBA" if alpha else "RGB").crop((0, 0, 96, 80))
    if alpha:
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    shares: list[float] = []
    upscaler.run(from_pil(picture), Target(scale=scale), sampling, lambda done, total: shares.append(done / total))
    return shares


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", ["linf-lp-s", "flowsr-s", "bicubic"])
def test_progress_never_passes_the_whole_after_memory_ran_out(monkeypatch, name, alpha):
    monkeypatch.setattr(pulse, "PAUSE", 0.0)
    upscaler = Upscaler(name)
    monkeypatch.setattr(strips, "STRIP_STORED", 1)  # strips of 64 rows
    monkeypatch.setattr(strips, "LEAST_BUDGET", 1)
    decode, calls = upscaler.model.decode, []

    def scarce(*arguments):
        made = decode(*arguments)
        calls.append(arguments)
        if len(calls) in (2, 3, 5):
            raise MemoryError
        return made

    monkeypatch.setattr(upscaler.model, "decode", scarce)
    shares = told(upscaler, 4, alpha=alpha)
    assert len(calls) > 6
    assert max(shares) == shares[-1] == 1.0
    assert min(shares) >= 0.0
    assert any(later < earlier for earlier, later in pairwise(shares))  # what is redone is taken back


@pytest.mark.parametrize(("name", "steps"), [("flowmap-s", 4), ("linf-lp-s", 1), ("srflow-lp-s", 1), ("flowsr-s", 1)])
def test_progress_moves_within_a_single_tile(monkeypatch, name, steps):
    monkeypatch.setattr(pulse, "PAUSE", 0.0)
    upscaler = Upscaler(name, tile=4096)
    for _ in range(2):  # without and with the number of layers known
        shares = told(upscaler, sampling=Sampling(steps=steps))
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert len(set(shares)) > 5 * steps
        assert max(b - a for a, b in pairwise([0.0, *shares])) < 0.7


def test_reports_do_not_change_the_result(monkeypatch):
    results = []
    for pause in (1e9, 0.0):
        monkeypatch.setattr(pulse, "PAUSE", pause)
        results.append(Upscaler("flowsr-s").upscale(np.asarray(Image.open(EXAMPLES / "cat.png"))[:40, :50], 2))
    assert np.array_equal(*results)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def items(folder: Path, *sizes: int) -> list[Item]:
    for number, size in enumerate(sizes):
        files.write_bytes(folder / f"{number}.png", b"x" * size)
    return [Item(folder / f"{number}.png", folder) for number in range(len(sizes))]


def test_one_progress_for_all_files_weighs_them_and_tells_the_time_left(tmp_path):
    clock = Clock()
    each = items(tmp_path, 100, 300, 600)
    tracker = progress.Tracker(each, clock)
    tracker(each[0], 5, 10)
    assert (tracker.fraction, tracker.name) == (0.05, "1/3 0.png")
    clock.now = 10.0
    tracker(each[1], 1, 2)
    assert tracker.fraction == pytest.approx(0.25)
    assert tracker.left == pytest.approx(30.0)
    assert tracker.line() == "2/3 1.png: 25% of all, 0:00:30 left"
    tracker(each[1], 0, 2)  # taken back: shown as it was
    assert tracker.fraction == pytest.approx(0.25)
    tracker(each[2], 99, 10)
    assert tracker.fraction == 1.0


def test_files_that_need_no_work_do_not_count(tmp_path):
    clock = Clock()
    each = items(tmp_path, 900, 50, 50)
    tracker = progress.Tracker(each, clock)
    clock.now = 100.0
    tracker.ended(Record(input=str(each[0].source), status="skipped"))
    tracker(each[1], 0, 1)
    assert (tracker.fraction, tracker.left) == (0.0, None)
    clock.now = 110.0
    tracker(each[1], 1, 1)
    assert tracker.fraction == pytest.approx(0.5)
    assert tracker.left == pytest.approx(10.0)
    tracker.ended(Record(input=str(each[2].source), status="failed"))
    assert tracker.fraction == 1.0


def test_off_a_terminal_there_is_a_plain_line_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.02)
    line, moved, said = progress.Tracker.line, progress.Tracker.__call__, threading.Event()

    def telling(self):
        said.set()
        return line(self)

    def waiting(self, *progress_of):  # on a quick machine the work would be over before the first line
        moved(self, *progress_of)
        assert said.wait(60)

    monkeypatch.setattr(progress.Tracker, "line", telling)
    monkeypatch.setattr(progress.Tracker, "__call__", waiting)
    photos(tmp_path / "in", 3, height=60, width=80)
    result = srcli(tmp_path / "in", "-o", tmp_path / "out", "--json")
    lines = result.stderr.splitlines()
    assert lines
    assert all(re.fullmatch(r"[123]/3 00[012]\.png: \d+% of all(, \d:\d\d:\d\d left)?", line) for line in lines), lines
    assert srcli(tmp_path / "in", "-o", tmp_path / "again", "-q").stderr == ""
    said.clear()
    photo(tmp_path / "a.png", height=200, width=300)
    assert "\na.png: " in "\n" + srcli(tmp_path / "a.png").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_one_bar_names_the_file(tmp_path):
    photos(tmp_path / "in", 4, height=100, width=150)
    ours, theirs = pty.openpty()
    command = [*COMMAND, str(tmp_path / "in"), "-o", str(tmp_path / "out"), *QUICK]
    environment = ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as run:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    assert run.returncode == 0
    os.close(ours)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).replace("\r", "\n").splitlines()
    bars = [line for line in shown if "/4 " in line]
    shares = [int(match[1]) for line in bars if (match := re.search(r"(\d+)%", line))]
    # Which files are seen depends on how fast they are made.
    assert {line.split("/4 ")[1].split()[0] for line in bars} <= {f"00{n}.png" for n in range(4)}
    assert bars
    assert shares == sorted(shares)
    assert 0 < len(set(shares)) <= 101
    assert max(shares) > 50
