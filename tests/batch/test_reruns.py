"""Failures and second runs: what is made again, what is left alone, and what the ledger knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from srcli.batch.ledger import NAME
from tests.batch.steps import contents, photo, photos, records, srcli, statuses, tree


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures, and a file that is none."""
    photos(tmp_path / "in", 3)
    (tmp_path / "in" / "001b.png").write_text("no picture")
    return tmp_path / "in"


def test_a_failure_stops_the_run_only_if_asked(folder, tmp_path):
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert (result.exit_code, statuses(result)) == (3, {"done": 3, "failed": 1})
    result = srcli(folder, "-o", tmp_path / "fast", "--json", "--fail-fast")
    assert (result.exit_code, statuses(result)) == (3, {"done": 2, "failed": 1})
    assert len(tree(tmp_path / "fast")) == 2


def test_a_second_run_skips_what_is_done(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    before = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    for more in ([], ["-y"]):
        result = srcli(folder, "-o", out, "--json", *more)
        assert statuses(result) == {"skipped": 3, "failed": 1}
        assert {p: p.stat().st_mtime_ns for p in out.iterdir()} == before
    assert statuses(srcli(folder, "-o", out, "--json", "-y", "--no-ledger")) == {"done": 3, "failed": 1}


def test_a_batch_of_one_that_is_done_is_no_failure(tmp_path):
    photos(tmp_path / "in", 1)
    assert [srcli(tmp_path / "in", "-o", tmp_path / "out").exit_code for _ in range(2)] == [0, 0]


def test_a_refused_file_is_tried_again_when_asked_or_changed(folder, tmp_path):
    def error(*more: str) -> str:
        return next((r["error"] for r in records(srcli(folder, "-o", tmp_path / "out", "--json", *more)) if "error" in r
                     and "001b" in r["input"]), "none")  # fmt: skip

    assert "failed in an earlier run" not in error()
    assert "failed in an earlier run" in error()
    assert "failed in an earlier run" not in error("--retry-failed")
    photo(folder / "001b.png", 9)
    assert error() == "none"
    assert "001b_x2.png" in tree(tmp_path / "out")


def test_a_result_that_is_gone_is_made_again(folder, tmp_path):
    srcli(folder, "-o", tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "001_x2.png").unlink()
    assert statuses(srcli(folder, "-o", tmp_path / "out", "--json"))["done"] == 1
    assert contents(tmp_path / "out") == before


def test_a_changed_input_or_other_settings_never_replace_a_result_unasked(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    before = contents(out)
    photo(folder / "001.png", 50)
    result = srcli(folder, "-o", out, "--json")
    assert (result.exit_code, statuses(result)) == (3, {"skipped": 2, "stale": 1, "failed": 1})
    assert "from another version of the file" in next(r["error"] for r in records(result) if "001.png" in r["input"])
    assert contents(out) == before
    assert statuses(srcli(folder, "-o", out, "--json", "-y"))["done"] == 1  # the others would be the same again
    assert {name for name, data in contents(out).items() if data != before[name]} == {"001_x2.png"}
    assert statuses(srcli(folder, "-o", out, "--json", "--detail", "0"))["stale"] == 3
    assert statuses(srcli(folder, "-o", out, "--json", "--detail", "0", "-y"))["done"] == 3


def test_a_result_that_somebody_has_changed_is_theirs(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    size = (out / "000_x2.png").stat().st_size
    (out / "000_x2.png").write_bytes(b"x" * size)
    assert statuses(srcli(folder, "-o", out, "--json"))["skipped"] == 3
    assert (out / "000_x2.png").read_bytes() == b"x" * size
    assert statuses(srcli(folder, "-o", out, "--json", "-y"))["done"] == 1


def test_another_template_is_another_result(folder, tmp_path):
    srcli(folder, "-o", f"{tmp_path}/out/{{stem}}{{ext}}")
    srcli(folder, "-o", f"{tmp_path}/out/{{stem}}_{{scale}}{{ext}}")
    assert tree(tmp_path / "out") == {f"00{n}{mark}.png" for n in range(3) for mark in ("", "_2")}


def test_results_in_the_same_folder_are_not_enlarged_again(tmp_path):
    photos(tmp_path / "in", 2)
    for _ in range(2):
        assert srcli(tmp_path / "in").exit_code == 0
    assert tree(tmp_path / "in") == {"000.png", "001.png", "000_x2.png", "001_x2.png"}
    photos(tmp_path / "named", 2)
    for _ in range(2):
        assert srcli(tmp_path / "named", "-o", f"{tmp_path}/named/{{stem}} large{{ext}}").exit_code == 0
    assert tree(tmp_path / "named") == {"000.png", "001.png", "000 large.png", "001 large.png"}
    (tmp_path / "done").mkdir()
    srcli(tmp_path / "in", "-o", tmp_path / "done")
    assert srcli(tmp_path / "done").exit_code == 0  # but those of another folder's are, when that is asked
    assert "000_x2_x2.png" in tree(tmp_path / "done")


@pytest.mark.parametrize("damage", [b'{"key": "cut', b"\xff\xfe\n", b"[]\n5\nnull\n", b'{"key": [1]}\n{"status": 1}\n'])
def test_a_damaged_ledger_still_serves(folder, tmp_path, damage):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    (out / NAME).write_bytes(b"".join(lines[:2]) + damage)
    assert statuses(srcli(folder, "-o", out, "--json"))["skipped"] == 3
    (out / "002_x2.png").unlink()
    assert statuses(srcli(folder, "-o", out, "--json"))["done"] == 1
    result = srcli(folder, "-o", out, "--json")
    assert [r["error"].endswith("from this file") for r in records(result) if "002" in r["input"]] == [True]


def test_a_ledger_that_cannot_be_written_costs_no_result(folder, tmp_path, monkeypatch):
    from srcli.batch import ledger

    def full(path: Path, line: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "_append", full)
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert statuses(result) == {"done": 3, "failed": 1}
    assert all("cannot write" in r["notes"][-1] for r in records(result))


def test_ledgers_lie_beside_results(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    photo(tmp_path / "a" / "x.png")
    photo(tmp_path / "b" / "y.png")
    srcli("../a/x.png", "../b/y.png")
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob(NAME)} == {f"a/{NAME}", f"b/{NAME}"}
    photo(tmp_path / "a" / "z.png")
    assert statuses(srcli("../a", "../b", "--json")) == {"skipped": 2, "done": 1}
