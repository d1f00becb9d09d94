"""The trained flow map, on photos."""

from __future__ import annotations

import numpy as np
import pytest

from srcli import Upscaler
from srcli.bench.metrics import Files, Original, choose
from srcli.bench.variants import Case
from srcli.metrics.colour import colour_drift
from srcli.metrics.grid import grid_score
from srcli.metrics.psnr import psnr
from tests.support.degraded_photos import bicubic, degraded


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("flowmap-s")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return degraded(4, 4)


def energy(image: np.ndarray) -> float:
    """Of differences between neighbours."""
    grey = image.astype(float).mean(2)
    return float(np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean())


@pytest.mark.parametrize("scale", [4, 8])
def test_two_steps_look_closer_than_bicubic_at_any_scale(upscaler, reference, scale):
    """One network, which is not told the scale."""
    trunk = reference / "perceptual" / "lpips_squeeze_v01.safetensors"
    (metric,) = choose(["lpips_squeeze"], Files(lpips_squeeze=(trunk,)))
    scores = []
    for case in degraded(scale, 2):
        original = Original(case.reference, case.low, scale)
        made = (upscaler.upscale(case.low, scale, steps=2), bicubic(case.low, scale))
        scores.append([metric.measure(image, original) for image in made])
    ours, other = np.mean(scores, axis=0)
    assert ours < 0.75 * other


def test_the_network_alone_is_more_faithful_than_bicubic(upscaler, cases):
    ours = np.mean([psnr(upscaler.upscale(c.low, 4, detail=0), c.reference, border=4) for c in cases])
    assert ours > np.mean([psnr(bicubic(c.low), c.reference, border=4) for c in cases])


def test_more_detail_is_sharper_and_less_faithful(upscaler, cases):
    made = {k: [upscaler.upscale(c.low, 4, steps=2, detail=k) for c in cases] for k in (0, 1, 2)}
    sharp = [np.mean([energy(image) for image in made[k]]) for k in made]
    faithful = [
        np.mean([psnr(image, c.reference, border=4) for image, c in zip(made[k], cases, strict=True)]) for k in made
    ]
    assert sharp == sorted(sharp)
    assert faithful == sorted(faithful, reverse=True)


def test_tiles_have_the_bits_of_the_whole(cases):
    low = cases[0].low[:40, :48]
    whole = Upscaler("flowmap-s", precision="fp32").upscale(low, 3.3, steps=2)
    assert np.array_equal(whole, Upscaler("flowmap-s", precision="fp32", tile=48).upscale(low, 3.3, steps=2))


@pytest.mark.parametrize("steps", [1, 4])
def test_no_grid_and_no_other_colours(upscaler, cases, steps):
    for case in cases:
        made = upscaler.upscale(case.low, 4, steps=steps)
        assert grid_score(made, 4) < 1.5
        assert colour_drift(made, bicubic(case.low)) < 2
