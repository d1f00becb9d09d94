"""Files that another process is making: looked at again at the end of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from srcli import files
from srcli.batch import bookkeeping
from tests.batch.degrade.steps import degrade
from tests.batch.steps import contents, photos, records, srcli, statuses, tree
from tests.support.degrading import records as degraded


@pytest.fixture
def folder(tmp_path) -> Path:
    return photos(tmp_path / "in", 3)


@pytest.fixture
def when_waiting(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """Sets what happens elsewhere when the run waits for another process."""

    def do(action: Callable[[], object]) -> None:
        monkeypatch.setattr(
            bookkeeping, "time", SimpleNamespace(sleep=lambda seconds: action(), monotonic=time.monotonic)
        )

    return do


def claimed(out: Path, name: str = "001_x2.png") -> files.Claim:
    """What another process holds."""
    out.mkdir()
    claim = files.Claim(out / name)
    claim.take().write(b"half")
    return claim


def test_what_the_other_process_gives_up_is_made(folder, tmp_path, when_waiting):
    srcli(folder, "-o", tmp_path / "wanted")
    claim = claimed(tmp_path / "out")
    when_waiting(claim.drop)
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert (result.exit_code, statuses(result)) == (0, {"done": 3})
    assert [Path(r["input"]).name for r in records(result)] == ["000.png", "002.png", "001.png"]
    assert contents(tmp_path / "out") == contents(tmp_path / "wanted")


@pytest.mark.parametrize("more", [[], ["--no-ledger"]])
def test_what_the_other_process_makes_is_told_apart_from_what_was_done_before(folder, tmp_path, when_waiting, more):
    out = tmp_path / "out"
    srcli(folder, "-o", tmp_path / "wanted")
    claim = claimed(out)

    def finish() -> None:
        claim._file.seek(0)
        claim._file.write((tmp_path / "wanted" / "001_x2.png").read_bytes())
        claim.finish()

    when_waiting(finish)
    result = srcli(folder, "-o", out, *more)
    assert result.exit_code == 0
    assert f"skipped: {out / '001_x2.png'} was made by another process in the meantime" in result.stderr
    assert result.stdout.splitlines()[-1] == "2 done, 1 made elsewhere"
    again = srcli(folder, "-o", out, "--json")
    if not more:
        assert [r["reason"] for r in records(again)] == ["unchanged"] * 3


def test_what_is_still_being_made_is_told_and_not_counted_as_done(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("srcli.batch.run"), "PATIENCE", 0.0)
    claim = claimed(tmp_path / "out")
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 3
    last = records(result)[-1]
    assert (last["status"], last["reason"], last["retryable"]) == ("skipped", "busy", True)
    result = srcli(folder, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "is being made by another process" in result.stderr
    assert result.stdout.splitlines()[-1] == "2 unchanged, 1 still being made elsewhere"
    claim.drop()
    assert statuses(srcli(folder, "-o", tmp_path / "out", "--json")) == {"skipped": 2, "done": 1}


def test_a_single_file_waits_too(folder, tmp_path, when_waiting):
    claim = claimed(tmp_path / "out")
    when_waiting(claim.drop)
    result = srcli(folder / "001.png", "-o", tmp_path / "out")
    assert (result.exit_code, tree(tmp_path / "out")) == (0, {"001_x2.png"})


def test_degraded_pictures_are_looked_at_again(folder, tmp_path, when_waiting):
    claim = claimed(tmp_path / "out", "001_light_x2.png")
    when_waiting(claim.drop)
    result = degrade(folder, "-o", tmp_path / "out", "--preset", "light", "-s", 2, "--json")
    assert [(Path(r["input"]).name, r["status"]) for r in degraded(result)] == [
        ("000.png", "done"),
        ("002.png", "done"),
        ("001.png", "done"),
    ]
