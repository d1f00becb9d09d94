"""Metrics against the numbers of the definitions' own code, and against pictures whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import psnr

EXAMPLES = Path(__file__).parents[1] / "examples"


def photo(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("pair", ["set5_bird", "set5_butterfly", "set5_head"])
def test_psnr_is_basicsrs(reference, pair):
    expected = json.loads((reference / "parity" / "metrics.json").read_text())["pairs"][pair]
    hr, sr = (photo(reference / "parity" / expected[side]) for side in ("reference", "test"))
    border = expected["scale"]
    for key, value in {
        f"psnr_y_crop{border}": psnr(sr, hr, border=border),
        "psnr_y_crop0": psnr(sr, hr),
        f"psnr_rgb_crop{border}": psnr(sr, hr, border=border, channel="rgb"),
    }.items():
        assert value == pytest.approx(expected[key], abs=1e-3)


def test_psnr_of_a_known_error():
    black = np.zeros((16, 16, 3), np.uint8)
    assert psnr(black + np.uint8(1), black, channel="rgb") == pytest.approx(48.1308, abs=1e-4)
    assert psnr(black, black) == np.inf
    edge = black.copy()
    edge[0] = 255
    assert psnr(edge, black, border=1) == np.inf
    with pytest.raises(ValueError, match="sizes differ"):
        psnr(black[1:], black)


@pytest.mark.parametrize("pair", ["ex_ref__ex_p0", "ex_ref__ex_p1", "crop96x128__bicubic4", "noise64x80"])
def test_lpips_squeeze_is_the_official(reference, pair):
    folder = reference / "parity"
    images = load_file(folder / "lpips_squeeze.safetensors")
    expected = json.loads((folder / "lpips_squeeze.json").read_text())["expected"][pair]
    lpips = LPIPS.load(reference / "perceptual" / "lpips_squeeze_v01.safetensors")
    a, b = (images[f"image.{pair}.{i}"].permute(2, 0, 1)[None].float() / 127.5 - 1 for i in (0, 1))
    with torch.inference_mode():
        assert lpips(a, b).item() == pytest.approx(expected["distance"], rel=1e-4)
        assert [t.item() for t in lpips.per_tap(a, b)] == pytest.approx(expected["per_layer"], rel=1e-3)
        assert lpips(a, a).item() == 0


@pytest.mark.parametrize("crop", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, 1])
def test_grid_score_sees_a_faint_grid_and_no_photo(crop, axis):
    clean = photo(EXAMPLES / "cat.png")[crop:, : 300 - crop].astype(np.int16)
    painted = clean.copy()
    painted[(slice(None),) * axis + (slice(None, None, 3),)] += 4
    scores = [grid_score(image.clip(0, 255).astype(np.uint8)) for image in (clean, painted)]
    assert scores[0] < 1.6
    assert scores[1] > 5 * scores[0]
    assert grid_score(painted.clip(0, 255).astype(np.uint8), period=4) < 1.6


def test_grid_score_of_noise_is_one_and_of_nothing_is_none():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert grid_score(noise) == pytest.approx(1, abs=0.15)
    assert grid_score(noise[:60]) is None
    assert grid_score(np.full((256, 256, 3), 9, np.uint8)) is None
