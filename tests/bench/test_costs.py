"""What `srcli bench` measures of time and memory, and what it takes itself."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli.bench import quality
from srcli.bench.crops import CropCollector
from srcli.bench.metrics import Files, choose
from srcli.bench.variants import Bicubic, Ready
from tests.bench.steps import bench, records


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_stays_flat_over_many_pictures(tmp_path):
    photos, ready = tmp_path / "photos", tmp_path / "ready"
    photos.mkdir()
    ready.mkdir()  # a variant that fails on every picture
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8))
    for number in range(200):
        image.save(photos / f"{number}.png", compress_level=1)
    metrics, course, used = choose(["psnr_y", "grid"], Files()), quality.RunLog(), []
    variants = [Bicubic(), Ready(ready)]
    crops = CropCollector(tmp_path / "crops.json", 4, [v.label for v in variants])
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
