"""`srcli degrade` over folders: the options, the ledger and the errors of `upscale`, for presets and learned paths."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from srcli.batch.ledger import NAME
from srcli.cli.app import app
from tests.batch.degrade.steps import RUNNER, degrade, pictures, statuses
from tests.support.degrading import records, saved


def test_globs_and_folders_below(engine, folder, tmp_path):
    mark, options = engine
    out = tmp_path / "out"
    degrade(folder, "-o", out, "-s", 2, "-r", "--include", "sub/*", "--include", "a*", *options)
    assert pictures(out) == [f"a_{mark}_x2.png", f"sub/d_{mark}_x2.png"]
    degrade(folder, "-o", out, "-s", 2, "--exclude", "*.jpg", *options)
    assert pictures(out) == [f"a_{mark}_x2.png", f"b_{mark}_x2.png", f"sub/d_{mark}_x2.png"]


def test_shards_are_disjoint_and_complete(engine, folder, tmp_path):
    mark, options = engine
    for number in (1, 2):
        counts = statuses(degrade(folder, "-r", "-o", tmp_path / "out", "-s", 2, "--shard", f"{number}/2", "--json",
                                  *options))  # fmt: skip
        assert set(counts) == {"done"}
    assert pictures(tmp_path / "out") == [f"{n}_{mark}_x2.png" for n in ("a", "b", "c", "sub/d")]


def test_lists(engine, folder, tmp_path):
    mark, options = engine
    text = f"{folder / 'a.png'}\n{folder / 'none.png'}\n{folder / 'c.jpg'}\n".encode()
    result = degrade("--from", "-", "-o", tmp_path / "out", "-s", 2, *options, code=3, text=text)
    assert "none.png does not exist" in result.stderr
    assert pictures(tmp_path / "out") == [f"a_{mark}_x2.png", f"c_{mark}_x2.png"]
    assert "nothing to do" in degrade(*options, code=2).stderr


def test_a_dry_run_says_what_would_be_done_and_does_nothing(engine, folder, tmp_path):
    mark, options = engine
    saved(folder / "tiny.png", 1, 40)
    result = degrade(folder, "-o", tmp_path / "out", "-s", 2, "--dry-run", "--json", *options, code=3)
    assert statuses(result) == {"planned": 3, "failed": 1}
    assert "tiny.png: 40x1 is too small for" in result.stderr
    assert not (tmp_path / "out").exists()
    told = {Path(r["output"]).name: (r["width"], r["height"]) for r in records(result) if r["status"] == "planned"}
    degrade(folder, "-o", tmp_path / "out", "-s", 2, *options, code=3)
    sizes = {n: Image.open(tmp_path / "out" / n).size for n in pictures(tmp_path / "out")}
    assert told == sizes
    assert len(sizes) == 3
    assert f"a_{mark}_x2.png" in sizes


def test_the_summary_is_that_of_upscale(folder, learned, tmp_path):
    (folder / "bad.png").write_text("no picture")
    result = degrade(folder, "-o", tmp_path / "out", "--json", *learned, code=3)
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["summary"] == {"done": 3, "failed": 1}
    assert summary["failed"] == [str(folder / "bad.png")]
    assert (summary["exit_code"], summary["model"], summary["tiling"]) == (3, "degflow", "exact")
    larger = RUNNER.invoke(app, ["upscale", str(folder / "a.png"), "--dry-run", "--json"])
    assert summary.keys() == json.loads(larger.stdout.splitlines()[-1]).keys()


def test_a_failure_stops_the_run_only_if_asked(engine, folder, tmp_path):
    _, options = engine
    (folder / "aa.png").write_text("no picture")
    result = degrade(folder, "-o", tmp_path / "out", "--fail-fast", "--json", *options, code=3)
    assert statuses(result) == {"done": 1, "failed": 1}
    assert json.loads(result.stdout.splitlines()[-1])["summary"]["not done"] == 2
    assert statuses(degrade(folder, "-o", tmp_path / "out", "--json", *options, code=3)) == {
        "skipped": 1, "failed": 1, "done": 2,
    }  # fmt: skip


def test_too_large_photos_are_refused_before_they_are_decoded(engine, folder, tmp_path):
    result = degrade(folder, "-o", tmp_path / "out", "--max-pixels", 0.001, *engine[1], code=1)
    assert "raise it with --max-pixels" in result.stderr
    assert not (tmp_path / "out" / NAME).exists()
