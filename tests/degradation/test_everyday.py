"""Everyday degradations are repeatable, and every operation does what its words say to a photo."""

from __future__ import annotations

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image

from srcli.degradation.codecs import JpegFile, Palette, VideoFrame, WebpFile
from srcli.degradation.everyday import OPERATIONS, Everyday, draw, light_harm
from srcli.degradation.optics import LensBlur, MotionBlur, Resize, Sharpen, SoftBlur
from srcli.degradation.sensor import Denoise, Grain, SensorNoise
from srcli.degradation.strengths import NAMES, STRENGTHS
from srcli.geometry import Size
from srcli.metrics.psnr import psnr
from tests.support.places import EXAMPLES

CAT = np.ascontiguousarray(np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))[:144, :144])
SIZE = Size(144, 144)


def flat(value: int, side: int = 128) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def point(side: int = 41) -> np.ndarray:
    """A white pixel on black."""
    image = flat(0, side)
    image[side // 2, side // 2] = 255
    return image


def detail(image: np.ndarray) -> float:
    """Energy of the differences between neighbours."""
    grey = image.astype(float).mean(2)
    return float((np.diff(grey, axis=0) ** 2).mean() + (np.diff(grey, axis=1) ** 2).mean())


def spread(image: np.ndarray) -> tuple[float, float]:
    """Standard deviations of the light of a point, along rows and columns."""
    weights = image.astype(float).mean(2)
    y, x = np.mgrid[: len(weights), : len(weights)]
    middle = len(weights) // 2
    return tuple(float(np.sqrt((weights * (at - middle) ** 2).sum() / weights.sum())) for at in (x, y))


# --- the list ---


@pytest.mark.parametrize("strength", NAMES)
@pytest.mark.parametrize("graphic", [False, True])
def test_a_degradation_is_a_function_of_its_seed_and_can_be_written_down(strength, graphic):
    for seed in range(10):
        one = draw(strength, 3.0, seed, graphic=graphic)
        assert one == draw(strength, 3.0, seed, graphic=graphic)
        again = Everyday.from_dict(json.loads(json.dumps(one.to_dict())))
        assert again == one
        made = one(CAT, Size(48, 48))
        assert made.shape == (48, 48, 3)
        assert np.array_equal(again(CAT, Size(48, 48)), made)
        assert str(one).startswith(f"{strength}: ")


@pytest.mark.parametrize("scale", [1.0, 1.7, 4.0, 8.0])
def test_every_scale_ends_at_its_size(scale):
    size = Size(round(144 / scale), round(144 / scale))
    for strength in NAMES:
        for seed in range(12):
            assert draw(strength, scale, seed)(CAT, size).shape == (size.height, size.width, 3)


def test_all_operations_are_drawn_once_or_twice_and_in_any_order():
    drawn = [draw(strength, 2.0, seed).operations for strength in STRENGTHS for seed in range(400)]
    assert {type(step).__name__ for steps in drawn for step in steps} == set(OPERATIONS)
    resized = {sum(isinstance(step, Resize) for step in steps) for steps in drawn}
    assert resized == {1, 2}
    files = (JpegFile, WebpFile, Palette, VideoFrame)
    assert {sum(isinstance(step, files) for step in steps) for steps in drawn} == {0, 1, 2}
    follows = {(type(a), type(b)) for steps in drawn for a, b in pairwise(steps)}
    assert {(Sharpen, JpegFile), (JpegFile, Sharpen), (Grain, JpegFile), (JpegFile, Grain)} <= follows
    qualities = [s.quality for steps in drawn for s in steps if isinstance(s, JpegFile)]
    assert min(qualities) < 20
    assert max(qualities) > 95
    assert {s.halved for steps in drawn for s in steps if isinstance(s, JpegFile)} == {True, False}


def test_stronger_is_further_from_the_photo():
    small = np.asarray(Image.fromarray(CAT).resize((72, 72), Image.Resampling.BICUBIC))

    def error(strength: str) -> float:
        made = [draw(strength, 2.0, seed)(CAT, Size(72, 72)) for seed in range(40)]
        return float(np.mean([psnr(image, small) for image in made]))

    scores = [error(strength) for strength in NAMES]
    assert all(better > worse + 2 for better, worse in pairwise(scores)), scores


def test_clean_at_scale_1_is_the_photo():
    for seed in range(8):
        assert np.array_equal(draw("clean", 1.0, seed)(CAT, SIZE), CAT)


def test_results_lie_where_the_photo_does():
    def error(dy: int, dx: int) -> float:
        shifted = np.roll(CAT, (dy, dx), (0, 1)).astype(float)
        return sum(float(((image - shifted)[8:-8, 8:-8] ** 2).mean()) for image in made)

    made = [draw(strength, 1.0, seed)(CAT, SIZE) for strength in STRENGTHS for seed in range(60)]
    around = {(dy, dx): error(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert min(around, key=around.__getitem__) == (0, 0)
    assert around[0, 1] == pytest.approx(around[0, -1], rel=0.15)
    assert around[1, 0] == pytest.approx(around[-1, 0], rel=0.15)


def test_odd_arguments_are_refused():
    with pytest.raises(ValueError, match="unknown strength"):
        draw("brutal", 2.0, 0)
    with pytest.raises(ValueError, match="from 1 to 8"):
        draw("light", 9.0, 0)
    with pytest.raises(ValueError, match="unknown operation"):
        Everyday.from_dict({"strength": "light", "scale": 2, "operations": [{"operation": "Melt"}]})
    with pytest.raises(ValueError, match="expected uint8"):
        draw("light", 2.0, 0)(CAT[..., 0], Size(72, 72))


def test_light_harm_is_light():
    rng = np.random.default_rng(0)
    harms = [light_harm(rng) for _ in range(200)]
    files, grains = ([h for h in harms if isinstance(h, kind)] for kind in (JpegFile, Grain))
    assert len(files) + len(grains) == 200
    assert 75 <= min(f.quality for f in files) < max(f.quality for f in files) <= 98
    assert max(g.sigma for g in grains) <= 5
    assert min(psnr(harm(CAT, SIZE), CAT) for harm in harms) > 26


# --- optics ---


def test_a_lens_spreads_a_point_to_a_disc():
    made = LensBlur(5.0)(point(), SIZE)
    y, x = np.mgrid[-20:21, -20:21]
    away = np.hypot(x, y)
    assert made[away > 6].max() == 0
    assert np.ptp(made[away < 4]) <= 1
    assert made[20, 20, 0] == pytest.approx(255 / (np.pi * 25), rel=0.2)


def test_motion_spreads_a_point_along_its_line():
    along, across = spread(MotionBlur(12.0, 0.0)(point(), SIZE))
    assert along == pytest.approx(12 / np.sqrt(12), rel=0.1)
    assert across < 0.6
    assert spread(MotionBlur(12.0, np.pi / 2)(point(), SIZE)) == pytest.approx((across, along), abs=0.1)


def test_a_soft_blur_has_its_sigmas():
    assert spread(SoftBlur(2.0, 1.2, 0.0)(flat(0, 41) + 10 * point(), SIZE)) == pytest.approx((2.0, 1.2), rel=0.15)


@pytest.mark.parametrize("blur", [LensBlur(2.0), MotionBlur(5.0, 0.7), SoftBlur(1.5, 1.5, 0.0)])
def test_blurs_take_detail_and_keep_brightness(blur):
    made = blur(CAT, SIZE)
    assert detail(made) < 0.5 * detail(CAT)
    assert made.mean() == pytest.approx(CAT.mean(), abs=0.5)


def test_sharpening_leaves_halos():
    edge = flat(60)
    edge[:, 64:] = 180
    made = Sharpen(1.0, 1.5)(edge, SIZE).astype(int)
    assert made[:, 60:64].min() < 45
    assert made[:, 64:68].max() > 195
    assert np.array_equal(made[:, :50], edge[:, :50])
    assert detail(Sharpen(1.0, 1.5)(CAT, SIZE)) > 1.5 * detail(CAT)


def test_resizing_is_relative_to_the_final_size():
    assert Resize(0.5, "area")(CAT, Size(60, 80)).shape == (30, 40, 3)
    assert Resize(1.0, "bicubic-aliased")(CAT, Size(60, 80)).shape == (60, 80, 3)


# --- sensors ---


@pytest.mark.parametrize("photons", [80.0, 400.0, 4000.0])
def test_sensor_noise_is_as_strong_as_it_says(photons):
    grey, sensor = flat(round(255 * (1.099 * 0.25**0.45 - 0.099))), SensorNoise(photons, 1.5, 3)
    noise = sensor(grey, SIZE).astype(float) - grey
    assert abs(noise.mean()) < 0.15 * sensor.sigma
    # Interpolation between the pixels of a colour evens out some of it.
    assert 0.7 * sensor.sigma < noise[..., 1].std() < 1.05 * sensor.sigma
    assert noise[..., 0].std() > noise[..., 1].std()  # red gets half of the light


def test_sensor_noise_is_coarser_than_a_pixel_and_grows_with_light():
    dark, bright = (SensorNoise(400.0, 1.0, 1)(flat(value), SIZE).astype(float) - value for value in (30, 200))
    assert np.corrcoef(bright[:, 1:, 0].ravel(), bright[:, :-1, 0].ravel())[0, 1] > 0.2
    linear = [noise[..., 1].std() * slope for noise, slope in ((dark, 1 / 4.5), (bright, 1.5))]
    assert linear[1] > 2 * linear[0]


def test_a_sensor_with_much_light_shows_the_photo():
    made = SensorNoise(1e9, 0.0, 1)(CAT, SIZE)
    assert psnr(made, CAT) > 28
    assert made.reshape(-1, 3).mean(0) == pytest.approx(CAT.reshape(-1, 3).mean(0), abs=1.5)  # no colour cast
    assert np.array_equal(made, SensorNoise(1e9, 0.0, 1)(CAT, SIZE))


@pytest.mark.parametrize("method", ["bilateral", "nonlocal", "median"])
def test_denoising_takes_noise_and_more_of_its_colour(method):
    sensor = SensorNoise(300.0, 1.5, 5)
    noisy = sensor(flat(120), SIZE)
    light = sensor.sigma * (1.2 if method == "nonlocal" else 3)
    cleaned = Denoise(method, light, sensor.sigma * 4)(noisy, SIZE)

    def noise(image: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(float).std((0, 1))

    before, after = noise(noisy), noise(cleaned)
    assert after[0] < 0.75 * before[0]
    assert max(after[1:] / before[1:]) < 0.6
    with_noise = sensor(CAT, SIZE)
    assert detail(Denoise(method, light, sensor.sigma * 4)(with_noise, SIZE)) < detail(with_noise)


# --- files ---


def coded(kind: str, amount: int, top: int = 0, left: int = 0):
    if kind == "jpeg":
        return JpegFile(quality=amount, halved=True, top=top, left=left)
    if kind == "webp":
        return WebpFile(amount, top, left)
    return VideoFrame(step=100 - amount, factor=1.0, top=top, left=left)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "video"])
def test_worse_files_lose_more(kind):
    scores = [psnr(coded(kind, amount)(CAT, SIZE), CAT) for amount in (95, 70, 20)]
    assert scores[0] > scores[1] + 1 > scores[2] + 2


@pytest.mark.parametrize("kind", ["jpeg", "video"])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 6)])
def test_blocks_begin_where_they_are_said_to(kind, top, left):
    made = coded(kind, 20, top, left)(CAT, SIZE).astype(float).mean(2)
    steps = np.abs(np.diff(made, axis=0)).mean(1), np.abs(np.diff(made, axis=1)).mean(0)
    for found, start in zip(steps, (top, left), strict=True):
        phases = [found[(np.arange(len(found)) + 1 + start) % 8 == phase].mean() for phase in range(8)]
        assert int(np.argmax(phases)) == 0


def test_halved_chroma_loses_fine_colour():
    stripes = flat(0, 64)
    stripes[:, ::2], stripes[:, 1::2] = (255, 0, 0), (0, 0, 255)
    kept, lost = (JpegFile(quality=95, halved=h)(stripes, SIZE).astype(float) for h in (False, True))
    assert abs(kept - stripes).mean() < 20 < abs(lost - stripes).mean()


@pytest.mark.parametrize("dithered", [False, True])
def test_a_palette_has_its_colours(dithered):
    made = Palette(12, dithered)(CAT, SIZE)
    assert 6 <= len(np.unique(made.reshape(-1, 3), axis=0)) <= 12


def test_dithering_keeps_the_colour_of_areas():
    ramp = np.repeat(np.linspace(20, 230, 144).astype(np.uint8)[None, :, None], 144, 0).repeat(3, 2)

    def error(dithered: bool) -> float:
        areas = [cv2.blur(image, (9, 9)).astype(float) for image in (Palette(6, dithered)(ramp, SIZE), ramp)]
        return float(abs(areas[0] - areas[1]).mean())

    assert error(True) < 0.5 * error(False)
    assert detail(Palette(6, True)(ramp, SIZE)) > 2 * detail(Palette(6, False)(ramp, SIZE))


def test_a_smaller_frame_has_less_detail():
    whole, half = (VideoFrame(step=6, factor=factor)(CAT, SIZE) for factor in (1.0, 0.5))
    assert whole.shape == half.shape == CAT.shape
    assert detail(half) < 0.6 * detail(whole)
