"""What `srcli bench` scores: ready pictures, given small ones, samples; wrong pairs named, odd pictures left out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from srcli.bench import quality
from srcli.bench.metrics import Files, choose
from srcli.bench.quality import Score
from srcli.metrics.psnr import psnr
from tests.bench.steps import bench, records
from tests.support.places import EXAMPLES


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
    scores = [
        Score(variant="a", scale=2, image=str(i), seconds=1.0, values={"psnr_y": p, "grid": g})
        for i, (p, g) in enumerate(values)
    ]
    (row,) = quality.summarise(scores, metrics, ["a"], [2], quality.RunLog())
    assert row.values == {"psnr_y": 34.0, "grid_median": 1.2, "grid_worst": 4.0}
