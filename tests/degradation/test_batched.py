"""Degradations as tensor code are those of OpenCV and Pillow: to a rounding where nothing is random, else in
distribution."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from srcli.degradation import synthetic
from srcli.degradation.batched.blur import blurred, kernels
from srcli.degradation.batched.jpeg import jpeg
from srcli.degradation.batched.noise import noisy
from srcli.degradation.batched.resize import enlarged, reduced, resized
from srcli.degradation.batched.squares import Squares
from srcli.degradation.batched.synthetic import degraded
from srcli.degradation.bicubic import downscale
from srcli.degradation.codecs import JpegFile
from srcli.degradation.kernels import MAX_SIDE
from srcli.degradation.presets import PRESETS
from srcli.degradation.synthetic import RESIZERS, Jpeg, Noise, draw
from srcli.geometry import Size
from srcli.resampling import enlarge
from srcli.training.data.photos import to_tensor
from tests.support.places import EXAMPLES

SIDES = (44, 88, 96, 140, 33, 17, 51, 120)
LOWER = (22, 100, 59, 44, 33, 40, 17, 80)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """Squares of different sides."""
    whole = np.asarray(Image.open(EXAMPLES / "coffee.jpg").convert("RGB"))
    rng = np.random.default_rng(0)
    corners = [rng.integers(0, min(whole.shape[:2]) - side, 2) for side in SIDES]
    return [
        np.ascontiguousarray(whole[y : y + side, x : x + side]) for side, (y, x) in zip(SIDES, corners, strict=True)
    ]


def squares(pictures: list[np.ndarray]) -> Squares:
    """On a canvas whose unused part is not black, so that it would show."""
    canvas = max(map(len, pictures))
    pixels = torch.full((len(pictures), 3, canvas, canvas), 200.0)
    for n, picture in enumerate(pictures):
        pixels[n, :, : len(picture), : len(picture)] = to_tensor(picture) * 255
    return Squares(pixels.round(), tuple(map(len, pictures)))


def pictures(pixels: torch.Tensor, sides: tuple[int, ...]) -> list[np.ndarray]:
    """Each at its own side, (n, n, 3)."""
    return [p[:, :n, :n].permute(1, 2, 0).numpy() for p, n in zip(pixels, sides, strict=True)]


def differences(pixels: torch.Tensor, wanted: list[np.ndarray]) -> np.ndarray:
    made = pictures(pixels, tuple(map(len, wanted)))
    return np.concatenate([(a - b.astype(np.float32)).ravel() for a, b in zip(made, wanted, strict=True)])


def pillow(picture: np.ndarray, quality: int, halved: bool) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=2 if halved else 0)
    return np.asarray(Image.open(file).convert("RGB"))


# --- what is not random ---


@pytest.mark.parametrize("preset", PRESETS)
def test_kernels_are_those_of_the_blurs(preset):
    blurs = [synthetic._blur(np.random.default_rng(n), PRESETS[preset].first, 1 + n % 4) for n in range(40)]
    made = kernels(blurs, torch.zeros(1))
    assert made.shape == (40, MAX_SIDE, MAX_SIDE)
    assert {blur.kind for blur in blurs} == {"gaussian", "generalised", "plateau", "sinc"}
    for kernel, blur in zip(made.numpy(), blurs, strict=True):
        wanted = blur.kernel()
        around = (MAX_SIDE - len(wanted)) // 2
        np.testing.assert_allclose(kernel, np.pad(wanted, around), atol=3e-6)


def test_blur_is_opencvs_to_a_rounding(photos):
    blurs = [synthetic._blur(np.random.default_rng(n), PRESETS["heavy"].first, 1 + n % 4) for n in range(len(photos))]
    wanted = [synthetic._blurred(photo, blur) for photo, blur in zip(photos, blurs, strict=True)]
    apart = differences(blurred(squares(photos), blurs), wanted)
    assert np.abs(apart).max() <= 1
    assert np.mean(apart != 0) < 0.001


@pytest.mark.parametrize("name", RESIZERS)
def test_resizing_is_pillows_and_opencvs_to_a_rounding(photos, name):
    made = resized(squares(photos), LOWER, [name] * len(photos))
    wanted = [synthetic.resized(photo, Size(n, n), name) for photo, n in zip(photos, LOWER, strict=True)]
    apart = differences(made.pixels, wanted)
    assert made.sides == LOWER
    assert np.abs(apart).max() <= 1
    # OpenCV's bilinear weights are multiples of 1 / 2048: a tenth of the pixels are rounded the other way.
    assert np.mean(apart != 0) < (0.12 if name == "bilinear-aliased" else 0.01)


def test_kinds_of_resizing_mix_in_a_batch(photos):
    names = [list(RESIZERS)[n % len(RESIZERS)] for n in range(len(photos))]
    together = resized(squares(photos), LOWER, names)
    for n, (photo, name) in enumerate(zip(photos, names, strict=True)):
        alone = resized(squares([photo]), LOWER[n : n + 1], [name])
        side = LOWER[n]
        apart = together.pixels[n, :, :side, :side] - alone.pixels[0, :, :side, :side]
        assert apart.abs().max() <= 1  # sums in another order
        assert (apart != 0).float().mean() < 0.002


@pytest.mark.parametrize("halved", [True, False])
@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90, 98, 100])
def test_jpeg_is_pillows_but_for_a_few_coefficients(photos, quality, halved):
    """Within 0.15 of an 8-bit step in the mean: where a coefficient is rounded the other way, its block differs."""
    wanted = [pillow(photo, quality, halved) for photo in photos]
    made = jpeg(squares(photos), [Jpeg(quality, halved)] * len(photos))
    apart = differences(made, wanted)
    assert np.abs(apart).mean() < 0.15
    assert abs(apart.mean()) < 0.06
    ours, theirs = (np.abs(differences(squares(photos).pixels, p)) for p in (pictures(made, SIDES), wanted))
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.01)
    assert np.quantile(ours, [0.5, 0.9, 0.99]) == pytest.approx(np.quantile(theirs, [0.5, 0.9, 0.99]), abs=0.5)


def test_jpegs_of_a_batch_have_their_own_quality_and_blocks_begin_outside(photos):
    rng = np.random.default_rng(3)
    files = [
        JpegFile(quality=int(q), halved=bool(n % 2), top=int(y), left=int(x))
        for n, (q, y, x) in enumerate(zip(rng.integers(10, 99, 8), *rng.integers(16, size=(2, 8)), strict=True))
    ]
    settings, starts = [Jpeg(f.quality, f.halved) for f in files], [(f.top, f.left) for f in files]
    made = jpeg(squares(photos), settings, starts)
    apart = differences(made, [file(p, Size(len(p), len(p))) for file, p in zip(files, photos, strict=True)])
    assert np.abs(apart).mean() < 0.15


def test_reducing_and_enlarging_are_the_projects_own(photos):
    apart = differences(reduced(squares(photos[1:4]), 48).pixels, [downscale(p, 48, 48) for p in photos[1:4]])
    assert np.abs(apart).max() <= 1
    assert np.mean(apart != 0) < 0.01
    rows = torch.stack([torch.arange(start, start + 60) for start in (0, 9, 84)])
    cols = torch.stack([torch.arange(start, start + 60) for start in (84, 30, 0)])
    made = enlarged(squares(photos[:3]), 144, rows, cols)
    for n, photo in enumerate(photos[:3]):
        wanted = enlarge(to_tensor(photo) * 255, rows[n], cols[n], Size(144, 144))
        torch.testing.assert_close(made[n], wanted, atol=2e-3, rtol=0)


# --- noise ---


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_noise_has_the_moments_and_quantiles_of_numpys(kind, grey):
    levels, sigmas = (30, 90, 140, 170), (1.0, 4.0, 8.0, 15.0)
    flats = [np.full((160, 160, 3), (n, n // 2, n + 20), np.uint8) for n in levels]
    noises = [Noise(kind=kind, sigma=s, grey=grey, seed=n) for n, s in enumerate(sigmas)]
    made = noisy(squares(flats), noises, torch.Generator().manual_seed(0))
    for n, (flat, noise) in enumerate(zip(flats, noises, strict=True)):
        ours = made[n].permute(1, 2, 0).numpy() - flat
        theirs = synthetic.noisy(flat, noise).astype(np.float32) - flat
        assert (np.ptp(ours, axis=2) == 0).all() == grey
        assert ours.mean((0, 1)) == pytest.approx(theirs.mean((0, 1)), abs=0.04 * noise.sigma)
        assert ours.std((0, 1)) == pytest.approx(theirs.std((0, 1)), rel=0.03)
        for channel in range(3):
            shares = (0.05, 0.25, 0.5, 0.75, 0.95)
            pair = [np.quantile(values[..., channel], shares) for values in (ours, theirs)]
            assert pair[0] == pytest.approx(pair[1], abs=1)


# --- all of it ---


def statistics(picture: np.ndarray, clean: np.ndarray) -> tuple[float, float, float]:
    """How far from the clean picture, how rough, how bright."""
    picture, clean = picture.astype(np.float32), clean.astype(np.float32)
    return float(np.abs(picture - clean).mean()), float(np.abs(np.diff(picture, axis=0)).mean()), float(picture.mean())


@pytest.mark.parametrize("preset", PRESETS)
def test_degradations_have_the_distribution_of_those_on_the_cpu(preset):
    """The same drawn ones; each by its own noise. Every picture alike, and quantiles over pictures too."""
    whole = np.asarray(Image.open(EXAMPLES / "coffee.jpg").convert("RGB"))
    rng, count, side = np.random.default_rng(5), 32, 112
    corners = [[int(v) for v in rng.integers(0, min(whole.shape[:2]) - side + 1, 2)] for _ in range(count)]
    photos = [np.ascontiguousarray(whole[y : y + side, x : x + side]) for y, x in corners]
    lower = [round(side / (1, 1.7, 2, 4)[n % 4]) for n in range(count)]
    drawn = [draw(preset, side / low, n) for n, low in enumerate(lower)]
    made = degraded(squares(photos), drawn, lower, torch.Generator().manual_seed(1))
    assert made.sides == tuple(lower)
    pairs = []
    for picture, photo, low, degradation in zip(pictures(made.pixels, made.sides), photos, lower, drawn, strict=True):
        clean = downscale(photo, low, low)
        pairs.append((statistics(picture, clean), statistics(degradation(photo, Size(low, low)), clean)))
    ours, theirs = np.array(pairs).transpose(1, 2, 0)
    assert np.abs(ours - theirs).max(1) == pytest.approx([0, 0, 0], abs=1.5)
    assert ours.mean(1) == pytest.approx(theirs.mean(1), rel=0.02)
    for shares in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(ours, shares, axis=1) == pytest.approx(
            np.quantile(theirs, shares, axis=1), rel=0.06, abs=0.2
        )


def test_the_same_seed_makes_the_same_pictures_and_another_one_other_noise(photos):
    drawn = [draw("heavy", side / low, n) for n, (side, low) in enumerate(zip(SIDES, LOWER, strict=True))]
    drawn[0] = replace(drawn[0], first=replace(drawn[0].first, noise=None), second=replace(drawn[0].second, noise=None))
    one, same, other = (
        degraded(squares(photos), drawn, LOWER, torch.Generator().manual_seed(seed)).pixels for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    side = LOWER[0]
    assert torch.equal(one[0, :, :side, :side], other[0, :, :side, :side])  # it has no noise
    assert all(not torch.equal(one[n], other[n]) for n in range(1, len(photos)))
