"""Colour: profiles, bits and transparency survive the way through a network."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageEnhance

from srcli import Upscaler, images
from srcli.geometry import Target
from srcli.images.colour import PLAIN, space_of, srgb
from srcli.images.layout import Layout, fitted
from srcli.images.picture import Picture, unit
from srcli.images.read import decode
from srcli.metrics.colour import ciede2000
from srcli.tiling.model import Sampling
from tests.support.places import EXAMPLES

ADOBE = imagecodecs.cms_profile("adobergb")
WHITE = [0.3127, 0.3290, 1.0]
P3_PRIMARIES = [0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0]
P3 = imagecodecs.cms_profile("rgb", whitepoint=WHITE, primaries=P3_PRIMARIES, gamma=2.2)
WIDE = {"Display P3": P3, "Adobe RGB": ADOBE}


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("linf-lp-s")


def saturated(side: int = 96) -> np.ndarray:
    """A photo in strong colours, some at the corners of its space, uint8."""
    photo = Image.open(EXAMPLES / "coffee.jpg").convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(ImageEnhance.Color(photo).enhance(2.5))


def lab(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """CIELAB (D65) of uint8 pixels in a space: LittleCMS to linear light, then the CIE's formula."""
    linear = imagecodecs.cms_transform(
        unit(pixels).reshape(1, -1, 3), profile, LINEAR, colorspace="rgb", outcolorspace="rgb",
        outdtype="float32", intent=1,
    )[0].astype(np.float64)  # fmt: skip
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = (linear @ to_xyz.T) / to_xyz.sum(1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


def reduced(pixels: np.ndarray, factor: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).reduce(factor))


@pytest.mark.parametrize("name", WIDE)
def test_wide_gamut_survives_up_and_down(upscaler, name):
    original, profile = saturated(), WIDE[name]
    made = upscaler.run(Picture(original, icc=profile), Target(scale=2)).picture
    assert made.icc == profile
    before, after = lab(reduced(original, 2), profile), lab(reduced(made.colour, 4), profile)
    assert ciede2000(after, before).mean() <= 1.0
    # The test would see a lost profile: the same values taken as sRGB's are other colours.
    assert ciede2000(lab(reduced(made.colour, 4), srgb()), before).mean() > 2


LINEAR = imagecodecs.cms_profile(
    "rgb", whitepoint=[0.3127, 0.3290, 1.0], primaries=[0.64, 0.33, 1.0, 0.30, 0.60, 1.0, 0.15, 0.06, 1.0], gamma=1.0
)


@pytest.mark.parametrize("profile", [ADOBE, P3, LINEAR], ids=["Adobe RGB", "P3 with gamma 2.2", "linear"])
def test_a_space_is_left_as_it_was_entered(profile):
    cube = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    space = space_of(profile)
    assert space is not PLAIN
    there = space.to_network(cube)
    assert there.min() >= 0
    assert there.max() <= 1 + 1e-6
    assert np.abs(space.from_network(there) - cube).max() < 2e-5  # a step of 16 bits


def test_srgb_and_no_profile_are_not_converted():
    assert space_of(None) is PLAIN
    assert space_of(srgb()) is PLAIN
    assert space_of(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) is PLAIN


def test_greys_look_to_the_network_as_littlecms_says():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    theirs = ImageCms.profileToProfile(
        Image.fromarray(greys), ImageCms.ImageCmsProfile(io.BytesIO(LINEAR)), ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip
    assert np.abs(space_of(LINEAR).to_network(unit(greys)) * 255 - np.asarray(theirs)).max() < 1.01


def test_gamma_of_a_png_is_honoured():
    light = np.array([[[0.0], [0.0031308], [0.2140], [1.0]]], np.float32)
    assert space_of(None, 1.0).to_network(light).ravel() == pytest.approx([0, 0.04045, 0.5, 1], abs=1e-4)
    assert space_of(None, 0.45455) is PLAIN


def test_sixteen_bits_keep_more_than_eight(upscaler):
    """A dark ramp of less than three 8-bit steps stays a ramp."""
    ramp = np.linspace(8000, 8600, 64).astype(np.uint16)
    picture = Picture(np.broadcast_to(ramp[None, :, None], (48, 64, 3)).copy())
    made = upscaler.run(picture, Target(scale=2), Sampling(detail=0)).picture.colour
    assert made.dtype == np.uint16
    middle = made[48, 20:-20].astype(np.float64).mean(1)
    ideal = np.interp((np.arange(128) + 0.5) / 2 - 0.5, np.arange(64), ramp)[20:-20]
    assert np.abs(middle - ideal).max() < 257 / 2  # half an 8-bit step; rounding to 8 bits errs by as much on average
    assert np.abs(middle - ideal).mean() < 257 / 8
    assert len(np.unique(made[48])) > 30


def test_float_pictures_come_back_as_floats_of_their_range(upscaler):
    ramp = np.linspace(-3, 40, 32 * 32, dtype=np.float32).reshape(32, 32, 1)
    made = upscaler.run(Picture(ramp, span=(-3.0, 40.0)), Target(scale=2), Sampling(detail=0)).picture.colour
    assert made.dtype == np.float32
    assert np.abs(made.reshape(32, 2, 32, 2).mean((1, 3)) - ramp[..., 0]).max() < 2.5


def test_an_opaque_picture_equals_the_one_without_alpha(upscaler):
    photo = saturated(24)
    plain = upscaler.run(Picture(photo), Target(scale=2)).picture
    opaque = upscaler.run(Picture(photo, alpha=np.full((24, 24), 255, np.uint8)), Target(scale=2)).picture
    assert np.array_equal(opaque.colour, plain.colour)
    assert (opaque.alpha == 255).all()


def test_transparent_edges_have_no_halo(upscaler):
    """A red disc on transparent black, composed on white, has no dark rim."""
    y, x = np.mgrid[:32, :32]
    alpha = np.where((y - 15.5) ** 2 + (x - 15.5) ** 2 < 100, 255, 0).astype(np.uint8)
    colour = np.zeros((32, 32, 3), np.uint8)
    colour[alpha > 0] = (230, 30, 30)
    made = upscaler.run(Picture(colour, alpha=alpha), Target(scale=4)).picture
    assert np.abs(made.colour.astype(int) - (230, 30, 30)).max() <= 12


@pytest.mark.parametrize(("background", "expected"), [((255, 255, 255), 255), ((0, 0, 0), 0), ((10, 200, 30), None)])
def test_flattening_takes_the_stated_background(background, expected):
    picture = Picture(np.full((4, 4, 3), 90, np.uint8), alpha=np.zeros((4, 4), np.uint8))
    layout, fit, notes = fitted(Layout.of(picture), "JPEG", images.encode.HOLDS["JPEG"], background)
    colour, alpha = fit((picture.colour, picture.alpha))
    assert alpha is None
    assert "flattened on" in notes[0]
    assert (colour == (np.array(background) if expected is None else expected)).all()
    assert not layout.alpha


def test_grey_with_alpha_on_a_coloured_background_becomes_colour():
    picture = Picture(np.full((4, 4, 1), 90, np.uint8), alpha=np.full((4, 4), 128, np.uint8))
    layout, fit, _ = fitted(Layout.of(picture), "JPEG", images.encode.HOLDS["JPEG"], (255, 0, 0))
    colour, _ = fit((picture.colour, picture.alpha))
    assert layout.channels == colour.shape[2] == 3
    assert colour[0, 0].tolist() == [172, 45, 45]


def test_a_damaged_profile_is_said_and_costs_nothing(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(saturated(8)).save(buffer, "PNG", icc_profile=ADOBE[:100] + bytes(200))
    picture = decode(buffer.getvalue())
    assert any("profile" in note for note in picture.notes)
    assert picture.colour.shape == (8, 8, 3)


def test_cmyk_is_converted_by_its_profile_and_said(reference):
    path = reference / "data" / "benchmark" / "odd" / "cmyk_no_profile.jpg"
    picture = images.read(path)
    assert picture.icc == srgb()
    assert "CMYK" in picture.notes[0]
    assert np.array_equal(picture.colour, np.asarray(Image.open(path).convert("RGB")))
