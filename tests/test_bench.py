"""`srcli bench`: numbers that agree wherever they are told, runs that go on, wrong pairs named, times of the run."""

from __future__ import annotations

import csv
import json
import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from srcli.bench import quality
from srcli.bench.metrics import Files, choose
from srcli.bench.quality import Score
from srcli.bench.variants import Bicubic
from srcli.cli.app import app
from srcli.metrics.psnr import psnr

EXAMPLES = Path(__file__).parents[1] / "examples"


def bench(*arguments: object):
    return CliRunner().invoke(app, ["bench", *[str(a) for a in arguments]])


def records(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("cat.png", "coffee.jpg"):
        shutil.copy(EXAMPLES / name, folder)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of both examples at two scales."""
    folder = tmp_path_factory.mktemp("bench")
    photos = folder / "photos"
    shutil.copytree(EXAMPLES, photos)
    result = bench("--data", photos, "--scales", "4,8", "--report", folder / "out", "--json")
    assert result.exit_code == 0, result.output
    (folder / "stdout.jsonl").write_text(result.stdout)
    return folder


def test_csv_json_and_terminal_tell_the_same(report):
    with (report / "out" / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    rows = records((report / "stdout.jsonl").read_text())
    results = json.loads((report / "out" / "results.json").read_text())
    assert results["rows"] == rows
    assert [(r["variant"], r["scale"]) for r in rows][:4] == [
        ("bicubic", 4),
        ("linf-lp-s detail 0", 4),
        ("linf-lp-s detail 1", 4),
        ("linf-s tau 0", 4),
    ]
    for row in rows:
        mine = [s for s in scores if (s["variant"], int(s["scale"])) == (row["variant"], row["scale"])]
        assert len(mine) == row["images"] == 2
        for name in ("psnr_y", "ssim_y", "lr_psnr"):
            assert row[name] == pytest.approx(np.mean([float(s[name]) for s in mine]))
        grids = [float(s["grid"]) for s in mine if s["grid"]]
        assert row["grid_worst"] == (pytest.approx(max(grids)) if grids else None)
    assert rows[1]["psnr_y"] == rows[3]["psnr_y"]  # without detail and without noise the model is its flow
    assert rows[1]["psnr_y"] > rows[0]["psnr_y"] > rows[4]["psnr_y"]  # better than bicubic; x4 is easier than x8
    again = bench("--data", report / "photos", "--scales", "4,8", "--report", report / "out")
    for row in rows:
        assert f"{row['psnr_y']:.2f} │ {row['ssim_y']:.4f}" in again.output


def test_a_run_goes_on_where_it_was(photos, tmp_path):
    arguments = ["--data", photos, "--scales", "8", "--models", "bicubic,linf-s", "--report", tmp_path / "out"]
    assert bench(*arguments).exit_code == 0
    table = tmp_path / "out" / "scores.csv"
    lines = table.read_text().splitlines(keepends=True)
    assert len(lines) == 5
    kept = lines[2].split(",")
    kept[3] = "77.7"  # seconds: what is not made again keeps them
    table.write_text("".join([*lines[:2], ",".join(kept), lines[3][:20]]))  # and one that was cut short
    assert bench(*arguments).exit_code == 0
    after = table.read_text().splitlines()
    assert len(after) == 5
    assert sorted(line.split(",")[0:3] for line in after) == sorted(line.split(",")[0:3] for line in lines)
    assert [line.split(",")[3] for line in after].count("77.7000") == 1
    other = bench(*arguments, "--metrics", "psnr_y")
    assert other.exit_code == 2
    assert "other settings (metrics)" in other.stderr


def test_ready_pictures_are_scored_and_wrong_pairs_named(photos, tmp_path):
    ready = tmp_path / "ready"
    ready.mkdir()
    for name in ("size", "grey", "broken", "twice", "missing"):
        shutil.copy(EXAMPLES / "coffee.jpg", photos / f"{name}.jpg")
    cat = Image.open(EXAMPLES / "cat.png").convert("RGB").crop((0, 0, 224, 148))
    coffee = Image.open(EXAMPLES / "coffee.jpg")
    cat.resize((56, 37)).resize(cat.size).save(ready / "cat_x4.png")
    coffee.save(ready / "coffee_out.webp", lossless=True)
    coffee.resize((100, 100)).save(ready / "size.png")
    coffee.convert("L").save(ready / "grey_x4.png")
    (ready / "broken.png").write_text("no picture")
    for suffix in ("png", "bmp"):
        coffee.save(ready / f"twice.{suffix}")
    result = bench("--score", ready, "--data", photos, "--scale", 4, "--json")
    assert result.exit_code == 3
    (row,) = records(result.stdout)
    assert (row["variant"], row["images"]) == ("ready", 2)
    expected = psnr(np.asarray(Image.open(ready / "cat_x4.png")), np.asarray(cat), border=4)
    only_cat = bench("--score", ready, "--data", photos, "--scale", 4, "--report", tmp_path / "out")
    assert only_cat.exit_code == 3
    scores = {s["image"]: s for s in json.loads((tmp_path / "out" / "results.json").read_text())["scores"]}
    assert scores["cat.png"]["psnr_y"] == pytest.approx(expected)
    assert scores["coffee.jpg"]["psnr_y"] is None or scores["coffee.jpg"]["psnr_y"] > 40
    for name, says in (
        ("size.png", "100x100 pixels, not 240x160"),
        ("grey_x4.png", "is grey"),
        ("broken.png", "not a picture"),
        ("twice", "2 pictures of that name"),
        ("missing.jpg", "no pictures of that name"),
    ):
        assert [line for line in result.stderr.splitlines() if name in line and says in line], (name, result.stderr)


def test_small_pictures_can_be_given(photos, tmp_path):
    low = tmp_path / "low"
    low.mkdir()
    for path in photos.iterdir():
        image = Image.open(path).convert("RGB")
        width, height = image.width // 8, image.height // 8
        image = image.crop((0, 0, 8 * width, 8 * height))
        image.resize((width, height), Image.Resampling.LANCZOS).save(low / f"{path.stem}.png")
    given = records(bench("--data", photos, "--lr", low, "--scales", 8, "--models", "bicubic", "--json").stdout)
    made = records(bench("--data", photos, "--scales", 8, "--models", "bicubic", "--json").stdout)
    assert given[0]["images"] == 2
    assert given[0]["psnr_y"] == pytest.approx(made[0]["psnr_y"], abs=0.3)
    assert given[0]["psnr_y"] != made[0]["psnr_y"]
    (low / "cat.png").unlink()
    assert bench("--data", photos, "--lr", low, "--scales", 8, "--models", "bicubic").exit_code == 3


def test_samples_differ_and_their_mean_is_told(photos):
    common = ["--data", photos, "--scales", 8, "--models", "linf-s", "--metrics", "psnr_y,diversity,inf", "--json"]
    rows = records(bench(*common, "--temperature", "0,0.8", "--seeds", 3).stdout)
    assert rows[0]["diversity"] is None
    assert rows[1]["diversity"] > 0.5
    assert [row["inf"] for row in rows] == [0, 0]
    each = [records(bench(*common, "--temperature", "0.8", "--seed", s).stdout)[0]["psnr_y"] for s in range(3)]
    assert rows[1]["psnr_y"] == pytest.approx(np.mean(each))
    assert len(set(each)) == 3


def test_summary_takes_means_median_and_worst():
    metrics = choose(["psnr_y", "grid"], Files())
    values = [(30.0, 1.0), (31.0, 1.2), (35.0, 4.0), (40.0, None)]
    scores = [Score("a", 2, str(i), 1.0, {"psnr_y": p, "grid": g}) for i, (p, g) in enumerate(values)]
    (row,) = quality.summarise(scores, metrics)
    assert row.values == {"psnr_y": 34.0, "grid_median": 1.2, "grid_worst": 4.0}


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_stays_flat_over_many_pictures(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8))
    for number in range(200):
        image.save(tmp_path / f"{number}.png")
    metrics, photos, peaks = choose(["psnr_y", "ssim_y", "lr_psnr", "grid"], Files()), quality.Photos(tmp_path), []
    for _ in quality.score([Bicubic()], photos, [4], metrics, quality.Course()):
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert len(peaks) == 200
    assert peaks[-1] - peaks[20] < 8 * 1024  # KiB


def test_times_and_memory(tmp_path):
    arguments = ["--models", "linf-lp-s", "--scales", "2,3.5", "--megapixels", "0.3", "--repeats", "3"]
    result = bench(*arguments, "--json", "--report", tmp_path)
    assert result.exit_code == 0, result.output
    rows = [r for r in records(result.stdout) if r["picture"].startswith("noise")]
    assert [(r["variant"][-1], r["scale"]) for r in rows] == [("0", 2), ("1", 2), ("0", 3.5), ("1", 3.5)]
    for row in rows:
        assert 0 < row["fastest"] <= row["seconds_per_megapixel"] <= row["slowest"]
        assert row["megapixels"] == pytest.approx(0.3, rel=0.03)
        stages = {k: v for k, v in row["stages"].items() if k != "write"}
        assert sum(stages.values()) == pytest.approx(row["seconds_per_megapixel"] * row["megapixels"], rel=0.2)
        assert ("prior" in stages) == (row["variant"][-1] == "1")
        assert row["gflops"] > 1
    assert {r["picture"] for r in records(result.stdout)} >= {"cat.png", "coffee.jpg"}
    if sys.platform == "linux":
        assert 1e6 < max(r["memory_above_idle"] for r in rows) < 600e6
    assert (tmp_path / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "nowhere"], "not a folder"),
        (["--data", ".", "--scales", "2.5"], "whole factors"),
        (["--scales", "two"], "numbers separated by commas"),
        (["--scales", "9", "--models", "linf-s"], "outside 1 to 8"),
        (["--models", "linf-xl"], "unknown model"),
        (["--models", "bicubic"], "no model to time"),
        (["--data", "."], "no photos"),
        (["--data", ".", "--metrics", "psnr"], "unknown metric 'psnr'"),
        (["--data", ".", "--metrics", "niqe"], "needs --niqe-parameters"),
        (["--score", "."], "need the photos"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_bad_bench_commands_are_one_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    result = bench(*arguments)
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("width", [1200, 360])
def test_report_in_a_browser(report, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    page.on("console", lambda message: asked.append(f"console: {message.text}"))
    page.goto(f"file://{report / 'out' / 'index.html'}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    row = records((report / "stdout.jsonl").read_text())[1]
    line = page.locator("section tr", has_text=row["variant"]).first.inner_text()
    assert f"{row['psnr_y']:.2f}\t{row['ssim_y']:.4f}" in line
    assert page.locator("figure").count() == 2 * 5  # both pictures: original and four variants
    page.get_by_label("metric").select_option("ssim_y")
    part = page.locator("section", has_text="Sorted by how").inner_text()
    scores = json.loads((report / "out" / "results.json").read_text())["scores"]
    assert len(scores) == 2 * 2 * 4
    assert all(f"{s['ssim_y']:.4f}" in part for s in scores if s["scale"] == 4)
    assert [a for a in asked if not a.startswith(("data:", "file:"))] == []
    page.close()
