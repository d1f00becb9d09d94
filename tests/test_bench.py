"""`srcli bench`: means that agree with their parts, times and memory that are those of the run."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from srcli.bench import quality
from srcli.bench.quality import Score
from srcli.cli.app import app

EXAMPLES = Path(__file__).parents[1] / "examples"


def bench(*arguments: object):
    return CliRunner().invoke(app, ["bench", *[str(a) for a in arguments]])


def records(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_means_are_those_of_the_pictures(tmp_path):
    for name in ("cat.png", "coffee.jpg"):
        shutil.copy(EXAMPLES / name, tmp_path)
    table = tmp_path / "scores.csv"
    result = bench("--data", tmp_path, "--scales", "4,8", "--csv", table, "--json")
    assert result.exit_code == 0, result.output
    with table.open() as file:
        scores = list(csv.DictReader(file))
    rows = records(result.stdout)
    assert [(r["variant"], r["scale"]) for r in rows][:3] == [
        ("linf-lp-s detail 0", 4),
        ("linf-lp-s detail 1", 4),
        ("linf-s tau 0", 4),
    ]
    for row in rows:
        mine = [s for s in scores if (s["variant"], int(s["scale"])) == (row["variant"], row["scale"])]
        assert len(mine) == row["images"] == 2
        assert row["psnr_y"] == pytest.approx(np.mean([float(s["psnr_y"]) for s in mine]))
        assert row["grid_worst"] == pytest.approx(max(float(s["grid"]) for s in mine))
    assert rows[0]["psnr_y"] == rows[2]["psnr_y"]  # without detail and without noise the model is its flow
    assert rows[0]["psnr_y"] > rows[3]["psnr_y"]  # x4 is easier than x8


def test_summary_takes_means_median_and_worst():
    scores = [Score("a", 2, str(i), p, p / 100, g) for i, (p, g) in enumerate([(30.0, 1.0), (31.0, 1.2), (35.0, 4.0)])]
    (row,) = quality.summarise(scores)
    assert (row.psnr_y, row.grid_median, row.grid_worst) == (32.0, 1.2, 4.0)
    assert row.lpips_squeeze == pytest.approx(0.32)


def test_times_and_memory():
    result = bench("--models", "linf-lp-s", "--scales", "2,3.5", "--megapixels", "0.3", "--repeats", "3", "--json")
    assert result.exit_code == 0, result.output
    rows = records(result.stdout)
    assert [(r["variant"][-1], r["scale"]) for r in rows] == [("0", 2), ("1", 2), ("0", 3.5), ("1", 3.5)]
    for row in rows:
        assert 0 < row["fastest"] <= row["seconds_per_megapixel"] <= row["slowest"]
        assert row["megapixels"] == pytest.approx(0.3, rel=0.03)
    if sys.platform == "linux":
        assert 1e6 < max(r["memory_above_idle"] for r in rows) < 600e6


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "nowhere"], "not a folder"),
        (["--data", ".", "--scales", "2.5"], "whole factors"),
        (["--scales", "two"], "numbers separated by commas"),
        (["--scales", "9"], "outside 1 to 8"),
        (["--models", "linf-xl"], "unknown model"),
        (["--data", "."], "no photos"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_bad_bench_commands_are_one_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    result = bench(*arguments)
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
