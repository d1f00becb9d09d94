"""The trained flow for degraded photos, on photos."""

from __future__ import annotations

import numpy as np
import pytest

from srcli import Upscaler
from srcli.bench.metrics import Files, Original, choose
from srcli.bench.variants import Case
from srcli.metrics.colour import colour_drift
from srcli.metrics.flat import flat_noise
from srcli.metrics.grid import grid_score
from srcli.metrics.psnr import psnr
from tests.support.degraded_photos import bicubic, degraded


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("flowsr-s")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return degraded(4, 4)


def test_one_step_is_more_faithful_than_bicubic(upscaler, cases):
    ours = np.mean([psnr(upscaler.upscale(c.low, 4), c.reference, border=4) for c in cases])
    assert ours > np.mean([psnr(bicubic(c.low), c.reference, border=4) for c in cases]) + 0.2


def test_one_step_looks_closer_than_bicubic_and_than_the_model_for_clean_photos(upscaler, cases, reference):
    """On Set14: 0.31, bicubic 0.57, linf-lp-s 0.43."""
    trunk = reference / "perceptual" / "lpips_squeeze_v01.safetensors"
    (metric,) = choose(["lpips_squeeze"], Files(lpips_squeeze=(trunk,)))
    clean = Upscaler("linf-lp-s")
    scores = []
    for case in cases:
        original = Original(case.reference, case.low, 4)
        made = (upscaler.upscale(case.low, 4), clean.upscale(case.low, 4), bicubic(case.low))
        scores.append([metric.measure(image, original) for image in made])
    ours, *others = np.mean(scores, axis=0)
    assert ours < 0.9 * min(others)


@pytest.mark.parametrize("name", ["flowsr-s", "flowmap-s"])
def test_steps_differ_and_agree_on_the_picture(cases, name):
    upscaler, case = Upscaler(name), cases[0]
    one, two, four = (upscaler.upscale(case.low, 4, steps=steps) for steps in (1, 2, 4))
    for other in (two, four):
        assert 38 < psnr(other, one, border=4) < 48
    assert 38 < psnr(four, two, border=4) < 53


def test_less_detail_is_more_faithful(upscaler, cases):
    faithful, sharp = (
        np.mean([psnr(upscaler.upscale(c.low, 4, detail=detail), c.reference, border=4) for c in cases])
        for detail in (0, 1)
    )
    assert faithful > sharp


def test_tiles_have_the_bits_of_the_whole(cases):
    low = cases[0].low[:40, :48]
    whole = Upscaler("flowsr-s", precision="fp32").upscale(low, 3.3)
    assert np.array_equal(whole, Upscaler("flowsr-s", precision="fp32", tile=48).upscale(low, 3.3))


def test_no_grid_and_no_other_colours(upscaler, cases):
    for case in cases:
        made = upscaler.upscale(case.low, 4)
        assert grid_score(made, 4) < 1.5
        assert colour_drift(made, bicubic(case.low)) < 2


def test_noise_on_flat_areas_goes(upscaler):
    """Perceptual losses leave it, for the features of noise are nearer to those of texture than smoothness is."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 6, (64, 64, 1)) + rng.normal(0, 2, (64, 64, 3))
    low = np.clip(120 + noise, 0, 255).round().astype(np.uint8)
    flat = np.full((256, 256, 3), 120, np.uint8)
    assert flat_noise(upscaler.upscale(low, 4), flat) < 0.6 * flat_noise(bicubic(low), flat)
