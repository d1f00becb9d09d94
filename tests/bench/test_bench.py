"""`srcli bench`: numbers that agree wherever they are told, runs that go on, reports that grow, commands refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bench.steps import bench, records
from tests.support.places import EXAMPLES


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


def test_labels_are_text_and_not_markup(photos, tmp_path):
    folder = tmp_path / "[bold]a [x4]"
    shutil.copytree(photos, folder)
    Image.open(folder / "cat.png").crop((0, 0, 224, 148)).save(folder / "cat.png")
    result = bench("--data", photos, "--score", folder, "--scale", 4)
    assert result.exit_code == 0, result.output
    assert "[bold]a [x4]" in result.stdout


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
