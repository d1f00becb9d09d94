"""Degradations are repeatable, do what their parts claim, and leave everything in its place."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from srcli.bench.quality import Photos as BenchPhotos
from srcli.degradation.kernels import Blur, bessel1
from srcli.degradation.presets import PRESETS
from srcli.degradation.synthetic import Degradation, Jpeg, Noise, Round, draw, seed_of
from srcli.geometry import Size
from srcli.metrics.psnr import psnr
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.photos import Photos
from tests.support.command import srcli
from tests.support.places import EXAMPLES

CAT = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))[:144, :144]
NOTHING = Round(blur=None, size=1.0, resizer="area", noise=None, jpeg=None)


def only(**parts) -> Degradation:
    """A degradation at scale 1 of which the second round alone does something."""
    sinc = parts.pop("sinc", None)
    return Degradation(
        preset="none", scale=1.0, seed=0, first=NOTHING, second=replace(NOTHING, **parts), sinc=sinc, sinc_last=True
    )


def same_size(image: np.ndarray) -> Size:
    return Size(*image.shape[:2])


def flat(value: int, side: int = 96) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


# --- repeatable ---


@pytest.mark.parametrize("preset", PRESETS)
def test_a_degradation_is_a_function_of_its_seed_and_can_be_written_down(preset):
    size = Size(48, 48)
    for seed in range(12):
        one = draw(preset, 3.0, seed)
        assert one == draw(preset, 3.0, seed)
        again = Degradation.from_dict(json.loads(json.dumps(one.to_dict())))
        assert again == one
        assert np.array_equal(again(CAT, size), one(CAT, size))
    assert len({str(draw(preset, 3.0, seed)) for seed in range(12)}) == 12


def test_nothing_drawn_changes_nothing():
    assert np.array_equal(only()(CAT, same_size(CAT)), CAT)


def test_seeds_of_names_scales_and_seeds_differ():
    assert len({seed_of(name, scale, seed) for name in "ab" for scale in (2, 4) for seed in (0, 1)}) == 8
    assert seed_of("cat.png", 4) == seed_of("cat.png", 4.0)


# --- how much ---


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_presets_get_harder(scale):
    low, high = Size(144 // scale, 144 // scale), (144, 144)

    def quality(preset: str) -> float:
        made = [draw(preset, scale, seed)(CAT, low) for seed in range(40)]
        large = [np.asarray(Image.fromarray(m).resize(high, Image.Resampling.BICUBIC)) for m in made]
        return float(np.mean([min(60.0, psnr(m, CAT, border=2)) for m in large]))

    light, moderate, heavy = (quality(preset) for preset in PRESETS)
    assert light > moderate + 0.3
    assert moderate > heavy + 0.5


def test_a_preset_means_the_same_at_every_scale():
    # Blurs are told in pixels of the result: before a reduction by 4 they are 4 times as wide.
    for seed in range(30):
        wide, narrow = draw("moderate", 4.0, seed).first.blur, draw("moderate", 1.0, seed).first.blur
        if wide is not None and narrow is not None and wide.kind != "sinc":
            assert wide.sigma == pytest.approx([4 * s for s in narrow.sigma])


# --- the parts ---


def test_gaussian_kernels_have_the_sigma_and_the_direction_that_they_name():
    kernel = Blur("gaussian", sigma=(3.0, 1.2), angle=0.6).kernel().astype(np.float64)
    half = len(kernel) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    covariance = np.array([[(kernel * a * b).sum() for a in (x, y)] for b in (x, y)])
    variances, axes = np.linalg.eigh(covariance)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.sqrt(variances) == pytest.approx([1.2, 3.0], rel=0.03)
    along = axes[:, 1] * np.sign(axes[0, 1])
    assert along == pytest.approx([np.cos(0.6), np.sin(0.6)], abs=0.02)


def test_shapes_differ_from_the_gaussian_as_named():
    # Of a standard deviation of one: flat tops at a large shape, a peak and long tails at a small one.
    peak = {s: Blur("generalised", sigma=(2.0, 2.0), shape=s).kernel().max() for s in (0.6, 1.0, 4.0)}
    gaussian = Blur("gaussian", sigma=(2.0, 2.0)).kernel().max()
    assert peak[1.0] == pytest.approx(gaussian)
    middle = Blur("generalised", sigma=(4.0, 4.0), shape=4.0).kernel()[12 - 2 : 12 + 3, 12 - 2 : 12 + 3]
    assert middle.max() / middle.min() < 1.05
    assert len(Blur("plateau", sigma=(2.0, 2.0), shape=1.0).kernel()) > 5
    with pytest.raises(ValueError, match="unknown blur"):
        Blur("box").kernel()


def test_bessel_function_has_its_tabulated_values():
    assert bessel1(np.array([1.0, 5.0, 20.0])) == pytest.approx([0.4400505857, -0.3275791376, 0.0668331242], abs=1e-9)
    far = np.linspace(30, 45, 40)  # as large as kernels ask for
    assert bessel1(far) == pytest.approx(np.sqrt(2 / (np.pi * far)) * np.cos(far - 0.75 * np.pi), abs=2e-3)


def test_sinc_passes_below_its_cutoff_stops_above_and_rings():
    sinc = Blur("sinc", cutoff=1.5)
    response = np.abs(np.fft.fft2(sinc.kernel(), (256, 256)))[0]
    frequency = np.arange(129) * (2 * np.pi / 256)
    assert response[:129][frequency < 1.1] == pytest.approx(1, abs=0.2)
    assert response[:129][frequency > 1.9].max() < 0.2
    edge = flat(60)
    edge[:, 48:] = 190
    rung = only(sinc=sinc)(edge, same_size(edge))
    assert rung.max() >= 195
    assert rung.min() <= 55
    smooth = only(blur=Blur("gaussian", sigma=(1.5, 1.5)))(edge, same_size(edge))
    assert (smooth.max(), smooth.min()) == (190, 60)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_noise_has_its_strength_and_its_colour(kind, grey):
    noise = Noise(kind=kind, sigma=8.0, grey=grey, seed=4)
    spread = {v: (only(noise=noise)(flat(v), Size(96, 96)).astype(float) - v) for v in (60, 120)}
    assert abs(spread[120].mean()) < 0.5
    expected = {v: 8 * np.sqrt(v / 255) if kind == "poisson" else 8.0 for v in spread}
    for value, change in spread.items():
        assert change.std() == pytest.approx(expected[value], rel=0.05)
    channels = [spread[120][..., c].ravel() for c in range(3)]
    assert np.array_equal(channels[0], channels[1]) == grey
    if not grey:
        assert abs(np.corrcoef(channels)[0, 1]) < 0.05


def test_jpeg_loses_more_at_lower_quality_and_colour_where_chroma_is_halved():
    def after(quality: int, halved: bool) -> np.ndarray:
        return only(jpeg=Jpeg(quality, halved))(CAT, same_size(CAT))

    assert psnr(after(95, False), CAT) > psnr(after(60, False), CAT) + 2 > psnr(after(20, False), CAT) + 3
    stripes = flat(0, 64)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    kept, lost = (only(jpeg=Jpeg(95, h))(stripes, Size(64, 64)).astype(float) for h in (False, True))
    assert abs(kept - stripes).mean() < 20 < abs(lost - stripes).mean()


def test_grey_pictures_stay_grey():
    grey = np.repeat(CAT[..., :1], 3, 2)
    for seed in range(10):
        made = draw("heavy", 2.0, seed, grey=True)(grey, Size(72, 72))
        assert np.ptp(made.astype(int), axis=2).max() <= 2


def test_what_is_no_8_bit_rgb_is_refused():
    with pytest.raises(ValueError, match="expected uint8"):
        only()(CAT[..., 0], Size(10, 10))


# --- crops for training ---


def test_pairs_show_the_same_place():
    spec = DegradedSpec(batch=24, crop=64, margin=12, whole_scales=(2, 3, 4, 1))
    batch = spec.draw(Photos(EXAMPLES), 0, 0)

    def error(dy: int, dx: int) -> float:
        return (batch.lr - batch.hr.roll((dy, dx), (2, 3)))[..., 2:-2, 2:-2].square().mean().item()

    around = {(dy, dx): error(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert min(around, key=around.__getitem__) == (0, 0)
    assert around[0, 1] == pytest.approx(around[0, -1], rel=0.15)
    assert around[1, 0] == pytest.approx(around[-1, 0], rel=0.15)


def test_a_batch_is_a_function_of_seed_and_step():
    photos, spec = Photos(EXAMPLES), DegradedSpec(batch=3, crop=40, margin=8)
    one, same, other = (spec.draw(photos, 1, step) for step in (5, 5, 6))
    assert torch.equal(one.lr, same.lr)
    assert torch.equal(one.hr, same.hr)
    assert not torch.equal(one.lr, other.lr)
    assert one.hr.shape == one.lr.shape == (3, 3, 40, 40)


def test_held_out_photos_are_the_same_each_time_and_not_trained_on():
    photos, all_of_them = Photos(EXAMPLES, hold_out=1), Photos(EXAMPLES)
    assert len(photos.held) == 1
    assert photos.held == Photos(EXAMPLES, hold_out=1).held
    assert set(photos.files) == set(all_of_them.files) - set(photos.held)
    assert photos.fingerprint() != all_of_them.fingerprint()


def test_bench_degrades_each_photo_the_same_way_each_time():
    plain, photos = BenchPhotos(EXAMPLES), BenchPhotos(EXAMPLES, degradation="moderate")
    case, again, bicubic = (p.case(photos.files[0], 2) for p in (photos, photos, plain))
    assert np.array_equal(case.low, again.low)
    assert np.array_equal(case.reference, bicubic.reference)
    assert not np.array_equal(case.low, bicubic.low)
    assert srcli("bench", "--data", EXAMPLES, "--degradation", "odd").exit_code == 2
    assert srcli("bench", "--degradation", "light").exit_code == 2
