"""Metrics against the numbers of the definitions' own code, and against pictures whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from srcli.bench.metrics import Files, choose
from srcli.bench.quality import Photos, RunLog, score, summarise
from srcli.bench.variants import Bicubic
from srcli.degradation.bicubic import downscale, reduce
from srcli.metrics.colour import ciede2000, colour_drift
from srcli.metrics.diversity import diversity
from srcli.metrics.flat import flat_noise
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.lr_psnr import lr_psnr
from srcli.metrics.niqe import NIQE
from srcli.metrics.psnr import psnr
from srcli.metrics.seam import seam_score
from srcli.metrics.ssim import ssim
from srcli.metrics.trunks import load_trunk
from srcli.networks.trunks import vgg16
from tests.support.places import EXAMPLES


def photo(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("pair", ["set5_bird", "set5_butterfly", "set5_head"])
def test_psnr_ssim_and_niqe_are_basicsrs(reference, pair):
    expected = json.loads((reference / "parity" / "metrics.json").read_text())["pairs"][pair]
    hr, sr = (photo(reference / "parity" / expected[side]) for side in ("reference", "test"))
    border = expected["scale"]
    for name, metric, tolerance in (("psnr", psnr, 1e-3), ("ssim", ssim, 1e-5)):
        for key, value in {
            f"{name}_y_crop{border}": metric(sr, hr, border=border),
            f"{name}_y_crop0": metric(sr, hr),
            f"{name}_rgb_crop{border}": metric(sr, hr, border=border, channel="rgb"),
        }.items():
            assert value == pytest.approx(expected[key], abs=tolerance)
    niqe = NIQE.load(reference / "perceptual" / "niqe_pristine.safetensors")
    assert niqe(hr) == pytest.approx(expected["niqe_y_crop0_reference"], abs=1e-3)
    assert niqe(sr) == pytest.approx(expected["niqe_y_crop0_test"], abs=1e-3)
    assert niqe(sr, border=border) == pytest.approx(expected[f"niqe_y_crop{border}_test"], abs=1e-3)


def test_niqe_of_the_baboon_is_matlabs(reference):
    niqe = NIQE.load(reference / "perceptual" / "niqe_pristine.safetensors")
    baboon = photo(reference / "parity" / "metrics" / "baboon.png")
    assert niqe(baboon) == pytest.approx(5.72957338, abs=1e-3)
    with pytest.raises(ValueError, match="96 pixels"):
        niqe(baboon[:95])


def test_ssim_needs_its_window():
    black = np.zeros((16, 16, 3), np.uint8)
    assert ssim(black, black) == 1
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(black, black, border=3)


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


@pytest.mark.parametrize("pair", ["ex_ref__ex_p0", "ex_ref__ex_p1", "crop96x128__bicubic4", "noise64x80"])
def test_lpips_alex_has_the_official_arithmetic(reference, pair):
    folder = reference / "parity"
    tensors = load_file(folder / "lpips_alex.safetensors")
    expected = json.loads((folder / "lpips_alex.json").read_text())["expected"][pair]
    weights = {k.removeprefix("trunk."): v.float() for k, v in tensors.items() if not k.startswith("image.")}
    trunk = load_trunk("alex", weights, "the fixture")
    heads = [next(v for k, v in weights.items() if f"lin{i}." in k) for i in range(5)]
    a, b = (tensors[f"image.{pair}.{i}"].permute(2, 0, 1)[None].float() / 127.5 - 1 for i in (0, 1))
    with torch.inference_mode():
        lpips = LPIPS(trunk, heads)
        assert lpips(a, b).item() == pytest.approx(expected["distance"], rel=1e-4)
        assert [t.item() for t in lpips.per_tap(a, b)] == pytest.approx(expected["per_layer"], rel=1e-3)


def test_vgg_trunk_has_torchvisions_layers():
    trunk = vgg16()
    convolutions = [name for name in trunk.state_dict() if name.endswith("weight")]
    assert convolutions[0] == "features.0.weight"
    assert convolutions[-1] == "features.28.weight"
    assert trunk.taps == (3, 8, 15, 22, 29)
    assert [t.shape[1] for t in trunk(torch.zeros(1, 3, 32, 32))] == [64, 128, 256, 512, 512]


# The peers' row of bicubic, Pillow on 8 bits: PSNR-Y, SSIM-Y
@pytest.mark.parametrize(("scale", "db", "similarity"), [(2, 33.67, 0.930), (3, 30.40, 0.869), (4, 28.43, 0.811)])
def test_bicubic_on_set5_has_the_known_numbers(reference, scale, db, similarity):
    metrics, photos, course = choose(["psnr_y", "ssim_y"], Files()), Photos(reference / "data/benchmark/Set5"), RunLog()
    scores = list(score([Bicubic()], photos, [scale], metrics, course))
    (row,) = summarise(scores, metrics, ["bicubic"], [scale], course)
    assert row.images == 5
    assert row.values["psnr_y"] == pytest.approx(db, abs=0.02)
    assert row.values["ssim_y"] == pytest.approx(similarity, abs=0.0005 + 0.0005)  # the row has three digits


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


def test_reducing_agrees_with_pillow_inside_and_keeps_means():
    cat = photo(EXAMPLES / "cat.png")[:150, :225]
    ours, pillow = reduce(cat[..., 1], 3), downscale(cat, 50, 75)[..., 1]
    assert np.abs(ours - pillow)[2:-2, 2:-2].max() < 1.5
    assert reduce(np.full((8, 12), 7.0), 4) == pytest.approx(np.full((2, 3), 7.0))
    with pytest.raises(ValueError, match="multiple"):
        reduce(cat[1:, :, 0], 3)


def test_lr_psnr_sees_what_downscaling_keeps():
    cat = photo(EXAMPLES / "cat.png")[:150, :225]
    low = np.stack([reduce(cat[..., c], 3) for c in range(3)], -1).round().clip(0, 255).astype(np.uint8)
    assert lr_psnr(cat, low) == np.inf
    assert lr_psnr(cat, low + np.uint8(low < 255)) == pytest.approx(48.13, abs=0.1)
    with pytest.raises(ValueError, match="multiple"):
        lr_psnr(cat[1:], low)


def test_diversity_is_a_mean_deviation():
    black = np.zeros((4, 4, 3), np.uint8)
    assert diversity([black, black + np.uint8(10)]) == 5
    assert diversity([black, black]) == 0
    with pytest.raises(ValueError, match="two samples"):
        diversity([black])


@pytest.mark.parametrize("axis", [0, 1])
def test_seam_score_sees_a_faint_step(axis):
    cat = photo(EXAMPLES / "cat.png").astype(np.int16)
    stepped = cat.copy()
    stepped[(slice(None),) * axis + (slice(64, 128),)] += 8
    scores = [seam_score(image.clip(0, 255).astype(np.uint8), 64) for image in (cat, stepped)]
    assert scores[0] < 2
    assert scores[1] > 1.5 * scores[0]
    assert seam_score(cat.astype(np.uint8), 1000) is None


def test_ciede2000_gives_the_published_examples():
    # Sharma, Wu and Dalal 2005, table 1: pairs 1, 7, 14 and 25
    first = np.array([[50, 2.6772, -79.7751], [50, 0, 0], [50, 2.5, 0], [60.2574, -34.0099, 36.2677]])
    second = np.array([[50, 0, -82.7485], [50, -1, 2], [50, 0, -2.5], [60.4626, -34.1751, 39.4387]])
    assert ciede2000(first, second) == pytest.approx([2.0425, 2.3669, 4.3065, 1.2644], abs=1e-4)


def test_colour_drift_ignores_detail_and_sees_a_cast():
    cat = photo(EXAMPLES / "cat.png")
    noisy = (cat + np.random.default_rng(0).normal(0, 8, cat.shape)).clip(0, 255).astype(np.uint8)
    red = (cat + np.array([8, 0, 0])).clip(0, 255).astype(np.uint8)
    assert colour_drift(cat, cat) == 0
    assert colour_drift(noisy, cat) < 0.5
    assert colour_drift(red, cat) > 1.5


def test_flat_noise_is_the_noise_where_the_original_is_flat():
    rng = np.random.default_rng(0)
    photo = np.full((128, 128, 3), 120, np.uint8)
    photo[:, 64:] = rng.integers(0, 256, (128, 64, 3))
    noisy = (photo + rng.normal(0, 5, photo.shape)).round().clip(0, 255).astype(np.uint8)
    textured = photo.copy()
    textured[:, 64:] = rng.integers(0, 256, (128, 64, 3))
    assert flat_noise(photo, photo) < 0.1 < 5 * 0.95 < flat_noise(noisy, photo) < 5 * 1.05
    assert flat_noise(textured, photo) < 0.1
    assert flat_noise(noisy, noisy) is None
    with pytest.raises(ValueError, match="sizes differ"):
        flat_noise(photo[1:], photo)


def test_niqe_of_pictures_without_texture_has_no_number(reference):
    niqe = NIQE.load(reference / "perceptual" / "niqe_pristine.safetensors")
    assert np.isnan(niqe(np.full((200, 300, 3), 90, np.uint8)))
    assert np.isnan(niqe(photo(EXAMPLES / "cat.png")[:100, :100]))
