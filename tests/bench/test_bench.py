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
from srcli.bench.crops import Crops
from srcli.bench.metrics import Files, choose
from srcli.bench.quality import Score
from srcli.bench.variants import Bicubic, Ready
from srcli.cli.app import app
from srcli.metrics.psnr import psnr
from tests.support.places import EXAMPLES


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
    psnr = {(r["variant"], r["scale"]): r["psnr_y"] for r in rows}
    faithful = psnr["linf-lp-s detail 0", 4]
    assert faithful == psnr["linf-s tau 0", 4]  # without detail and without noise the model is its flow
    assert faithful > psnr["bicubic", 4] > psnr["bicubic", 8]  # x4 is easier than x8
    again = bench("--data", report / "photos", "--scales", "4,8", "--report", report / "out")
    for row in rows:
        assert f"{row['psnr_y']:.2f} │ {row['ssim_y']:.4f}" in again.output
    assert len(json.loads((report / "out" / "crops.json").read_text())["found"]) == 2


def test_models_that_do_not_make_a_scale_are_named_and_left_out(photos):
    result = bench("--data", photos, "--scales", "5", "--metrics", "psnr_y", "--json")
    assert result.exit_code == 0, result.output
    assert "do not make all of these scales: srflow-lp-s, srflow-s" in " ".join(result.stderr.split())
    assert {r["variant"].split()[0] for r in records(result.stdout)} == {
        "bicubic",
        "linf-lp-s",
        "linf-s",
        "flowsr-s",
        "flowmap-s",
    }


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
    shutil.copy(EXAMPLES / "cat.png", photos / "new.png")
    assert "other settings (data)" in bench(*arguments).stderr
    (tmp_path / "out" / "settings.json").write_text('{"srcli"')
    assert "is damaged" in bench(*arguments).stderr


def test_other_results_of_the_same_name_are_not_taken_for_these(photos, tmp_path):
    for tool, quality_of in (("a", 95), ("b", 20)):
        (tmp_path / tool / "x4").mkdir(parents=True)
        for path in photos.iterdir():
            image = Image.open(path).convert("RGB")
            image.crop((0, 0, image.width // 4 * 4, image.height // 4 * 4)).save(
                tmp_path / tool / "x4" / f"{path.stem}.jpg", quality=quality_of
            )
    common = ["--data", photos, "--scale", 4, "--report", tmp_path / "out"]
    assert bench(*common, "--score", tmp_path / "a/x4").exit_code == 0
    assert "other settings (x4)" in bench(*common, "--score", tmp_path / "b/x4").stderr
    both = ["--score", tmp_path / "a/x4", "--score", tmp_path / "b/x4", "--data", photos, "--scale", 4, "--json"]
    first, second = records(bench(*both).stdout)
    assert first["variant"] == str(tmp_path / "a/x4")
    assert first["psnr_y"] > second["psnr_y"] + 3


def test_models_and_crops_are_added_to_a_report(photos, tmp_path):
    common = ["--data", photos, "--scales", 8, "--report", tmp_path]
    assert bench(*common, "--models", "bicubic").exit_code == 0
    assert bench(*common, "--models", "bicubic,linf-s,linf").exit_code == 0  # linf is linf-s
    results = json.loads((tmp_path / "results.json").read_text())
    assert [r["variant"] for r in results["rows"]] == ["bicubic", "linf-s tau 0"]
    crops = json.loads((tmp_path / "crops.json").read_text())
    assert [[s["label"] for s in c["shots"]] for c in crops["found"]] == [["original", "bicubic", "linf-s tau 0"]] * 2
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 5
    assert (
        bench("--models", "linf-s", "--scales", 8, "--megapixels", 0.1, "--repeats", 1, "--report", tmp_path).exit_code
        == 0
    )
    both = json.loads((tmp_path / "results.json").read_text())
    assert both["rows"] == results["rows"]
    assert {t["picture"] for t in both["timings"]} >= {"cat.png", "coffee.jpg"}


def test_ready_pictures_are_scored_and_wrong_pairs_named(photos, tmp_path):
    ready = tmp_path / "ready"
    ready.mkdir()
    for name in ("size", "grey", "broken", "twice", "missing", "clear"):
        shutil.copy(EXAMPLES / "coffee.jpg", photos / f"{name}.jpg")
    cat = Image.open(EXAMPLES / "cat.png").convert("RGB").crop((0, 0, 224, 148))
    coffee = Image.open(EXAMPLES / "coffee.jpg")
    cat.resize((56, 37)).resize(cat.size).save(ready / "cat_x4.png")
    coffee.save(ready / "coffee_out.webp", lossless=True)
    coffee.resize((100, 100)).save(ready / "size.png")
    coffee.convert("L").save(ready / "grey_x4.png")
    (ready / "broken.png").write_text("no picture")
    Image.merge("RGBA", (*coffee.split(), coffee.convert("L"))).save(ready / "clear.png")
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
    assert scores["coffee.jpg"]["psnr_y"] == "inf"
    assert (row["failed"], row["psnr_y"]) == (6, "inf")
    for name, says in (
        ("size.png", "100x100 pixels, not 240x160"),
        ("clear.png", "has transparency"),
        ("grey_x4.png", "is grey"),
        ("broken.png", "not a picture"),
        ("twice", "2 pictures of that name"),
        ("missing.jpg", "no pictures of that name"),
    ):
        assert [line for line in result.stderr.splitlines() if name in line and says in line], (name, result.stderr)


def test_odd_pictures_lose_numbers_and_not_the_run(tmp_path, reference):
    rng = np.random.default_rng(0)
    for name, size in (("tiny", (8, 8)), ("small", (14, 13)), ("block", (150, 150))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(
            tmp_path / f"[/{name}] ü.png".replace("/", "")
        )
    Image.new("L", (200, 200), 90).save(tmp_path / "flat.png")
    perceptual = reference / "perceptual"
    files = ["--lpips-weights", perceptual / "lpips_squeeze_v01.safetensors"]
    files += ["--niqe-parameters", perceptual / "niqe_pristine.safetensors"]
    result = bench(
        "--data", tmp_path, "--scales", 4, "--models", "bicubic,linf-s", *files, "--report", tmp_path / "out"
    )
    assert result.exit_code == 3
    assert "too small for x4" in result.stderr
    scores = json.loads((tmp_path / "out" / "results.json").read_text())["scores"]
    assert len(scores) == 6
    found = {(s["image"], s["variant"]): s for s in scores}
    assert found["[small] ü.png", "bicubic"]["ssim_y"] is None
    assert found["[small] ü.png", "bicubic"]["lpips_squeeze"] is None
    assert found["flat.png", "bicubic"]["psnr_y"] == "inf"
    assert found["flat.png", "linf-s tau 0"]["niqe"] is None
    assert found["[block] ü.png", "linf-s tau 0"]["psnr_y"] > 5


def test_labels_are_text_and_not_markup(photos, tmp_path):
    folder = tmp_path / "[bold]a [x4]"
    shutil.copytree(photos, folder)
    Image.open(folder / "cat.png").crop((0, 0, 224, 148)).save(folder / "cat.png")
    result = bench("--data", photos, "--score", folder, "--scale", 4)
    assert result.exit_code == 0, result.output
    assert "[bold]a [x4]" in result.stdout


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


def test_what_is_not_finite_is_counted(monkeypatch, photos):
    from srcli.tiling.strips import NotFinite
    from srcli.upscaler import Upscaler

    run = Upscaler.run

    def sometimes(self, picture, *others):
        if picture.size.width == 30:  # coffee
            raise NotFinite("nothing finite")
        return run(self, picture, *others)

    monkeypatch.setattr(Upscaler, "run", sometimes)
    metrics = ["--metrics", "psnr_y,inf", "--models", "linf-s", "--json"]
    result = bench("--data", photos, "--scales", 8, *metrics)
    assert result.exit_code == 3
    assert "coffee.jpg, linf-s tau 0: 1 of 1 results are not finite" in result.stderr
    (row,) = records(result.stdout)
    assert (row["inf"], row["failed"], row["images"]) == (50, 1, 2)
    assert row["psnr_y"] > 15


def test_summary_takes_means_median_and_worst():
    metrics = choose(["psnr_y", "grid"], Files())
    values = [(30.0, 1.0), (31.0, 1.2), (35.0, 4.0), (40.0, None)]
    scores = [Score("a", 2, str(i), 1.0, {"psnr_y": p, "grid": g}) for i, (p, g) in enumerate(values)]
    (row,) = quality.summarise(scores, metrics, ["a"], [2], quality.Course())
    assert row.values == {"psnr_y": 34.0, "grid_median": 1.2, "grid_worst": 4.0}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_stays_flat_over_many_pictures(tmp_path):
    photos, ready = tmp_path / "photos", tmp_path / "ready"
    photos.mkdir()
    ready.mkdir()  # a variant that fails on every picture
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8))
    for number in range(200):
        image.save(photos / f"{number}.png", compress_level=1)
    metrics, course, used = choose(["psnr_y", "grid"], Files()), quality.Course(), []
    variants = [Bicubic(), Ready(ready)]
    crops = Crops(tmp_path / "crops.json", 4, [v.label for v in variants])
    for _ in quality.score(variants, quality.Photos(photos), [4], metrics, course, watcher=crops):
        used.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
    assert len(used) == len(course.problems) == 200
    assert max(used[-20:]) - max(used[20:40]) < 20e6  # all of them would be 100 MB


@pytest.mark.slow
def test_times_and_memory(tmp_path):
    arguments = ["--models", "linf-lp-s", "--scales", "2,2.5", "--megapixels", "0.3", "--repeats", "2"]
    result = bench(*arguments, "--json", "--report", tmp_path)
    assert result.exit_code == 0, result.output
    rows = [r for r in records(result.stdout) if r["picture"].startswith("noise")]
    assert [(r["variant"][-1], r["scale"]) for r in rows] == [("0", 2), ("1", 2), ("0", 2.5), ("1", 2.5)]
    for row in rows:
        assert 0 < row["fastest"] <= row["seconds_per_megapixel"] <= row["slowest"]
        assert row["megapixels"] == pytest.approx(0.3, rel=0.03)
        stages = {k: v for k, v in row["stages"].items() if k != "write"}
        assert 0 < stages["rest"] < 0.3 * sum(stages.values())
        assert row["load_seconds"] > 0
        assert ("prior" in stages) == (row["variant"][-1] == "1")
        assert row["gflops"] > 0
    assert {r["picture"] for r in records(result.stdout)} >= {"cat.png", "coffee.jpg"}
    if sys.platform == "linux":
        assert 1e6 < max(r["memory_above_idle"] for r in rows) < 600e6
    assert (tmp_path / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["--data", "nowhere"], "not a folder", 1),
        (["--data", ".", "--scales", "2.5"], "whole factors", 2),
        (["--scales", "two"], "numbers separated by commas", 2),
        (["--scales", "9", "--models", "linf-s"], "outside 1 to 8", 2),
        (["--scales", "0", "--models", "linf-s"], "must be a positive number", 2),
        (["--scales", "nan", "--models", "linf-s"], "must be a positive number", 2),
        (["--models", "linf-xl"], "unknown model", 2),
        (["--models", "bicubic"], "no model to time", 2),
        (["--data", "."], "no photos", 1),
        (["--data", ".", "--metrics", "psnr"], "unknown metric 'psnr'", 2),
        (["--data", ".", "--metrics", "niqe"], "needs --niqe-parameters", 2),
        (["--data", ".", "--metrics", "seam", "--tile", "4"], "at least 8 pixels", 2),
        (["--data", ".", "--score", ".", "--scales", "2,4"], "one scale", 2),
        (["--data", str(EXAMPLES), "--models", ""], "nothing to score", 2),
        (["--data", str(EXAMPLES), "--scales", "16", "--models", "linf-s"], "outside 1 to 8", 2),
        (["--score", "."], "need the photos", 2),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_bad_bench_commands_are_one_sentence(tmp_path, monkeypatch, arguments, says, code):
    monkeypatch.chdir(tmp_path)
    result = bench(*arguments)
    assert result.exit_code == code
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
    assert page.locator("figure").count() == 2 * 8  # both pictures: original and seven variants
    page.get_by_label("metric").select_option("ssim_y")
    part = page.locator("section", has_text="Sorted by how").inner_text()
    scores = json.loads((report / "out" / "results.json").read_text())["scores"]
    assert len(scores) == 2 * 2 * 7
    assert all(f"{s['ssim_y']:.4f}" in part for s in scores if s["scale"] == 4)
    assert [a for a in asked if not a.startswith(("data:", "file:"))] == []
    page.close()
