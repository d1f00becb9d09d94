"""auto: what is measured of a picture, which model that leads to, and how it is told."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from srcli import Upscaler
from srcli.choice import MODELS, TABLE, choose
from srcli.cli.app import app
from srcli.drawing import draw
from srcli.images.picture import Picture
from srcli.images.read import decode, from_pil, read
from srcli.look import Look, look, quality_of
from srcli.tiling.model import Sampling
from tests.support.places import EXAMPLES

CLEAN = Image.open(EXAMPLES / "cat.png").convert("RGB")
PART = CLEAN.crop((40, 30, 104, 78))


@pytest.fixture(autouse=True)
def nothing_pulled(tmp_path_factory, monkeypatch):
    """A machine with the package's models alone."""
    monkeypatch.setenv("SRCLI_HOME", str(tmp_path_factory.mktemp("home")))


def jpeg(image: Image.Image, quality: int, **options) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **options)
    return decode(buffer.getvalue())


def noisy(image: Image.Image, sigma: float, grey: bool = False) -> Picture:
    pixels = np.asarray(image, np.float64)
    shape = (*pixels.shape[:2], 1) if grey else pixels.shape
    noise = np.random.default_rng(1).normal(0, sigma, shape)
    return Picture((pixels + noise).round().clip(0, 255).astype(np.uint8))


def kind(picture: Picture) -> str:
    return choose(look(picture)).kind


# What is measured


@pytest.mark.parametrize("quality", [20, 30, 50, 75, 90, 98])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality, progressive):
    seen = look(jpeg(CLEAN, quality, progressive=progressive))
    assert seen.jpeg == pytest.approx(quality, abs=1.5)
    assert look(from_pil(CLEAN)).jpeg is None


def test_odd_tables_have_a_quality_too():
    assert quality_of([[1] * 64]) > 95
    assert quality_of([[255] * 64]) < 15


@pytest.mark.parametrize("sigma", [4, 8, 15, 30])
@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_measured(sigma, grey):
    in_luma = sigma if grey else sigma * np.linalg.norm([0.299, 0.587, 0.114])
    assert look(noisy(CLEAN, sigma, grey)).noise == pytest.approx(in_luma, rel=0.3)


def test_noise_is_not_texture_and_not_text():
    assert look(from_pil(CLEAN)).noise < 2
    for name in ("text", "lines", "screen"):
        assert look(from_pil(draw(name, 1, 400, 300))).noise < 2, name


def test_blocks_are_seen_on_any_grid_and_not_without_jpeg():
    blocky = replace(jpeg(CLEAN, 40), tables=())  # saved again as PNG
    assert look(blocky).blocks > 1
    assert look(replace(blocky, colour=blocky.colour[3:, 5:])).blocks > 1
    assert look(from_pil(CLEAN)).blocks < 0.5


def test_colours_flat_areas_and_hard_edges():
    fax, screen, photo = (look(p) for p in (
        from_pil(draw("fax", 1, 300, 200)), from_pil(draw("screen", 1, 300, 200)), from_pil(CLEAN))
    )  # fmt: skip
    assert fax.colours == 2
    assert photo.colours == 257
    assert fax.flat > 0.5
    assert screen.flat > 0.3
    assert photo.flat < 0.1
    assert fax.hard > 0.1
    assert photo.hard < 0.01


def test_blur_is_soft():
    blurred = look(from_pil(CLEAN.filter(ImageFilter.GaussianBlur(3)))).sharp
    assert blurred < 0.56 < look(from_pil(CLEAN)).sharp


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (7, 9), (17, 33)])
@pytest.mark.parametrize("name", ["fax", "gradient", "noise"])
def test_any_size_can_be_looked_at(name, size):
    seen = look(from_pil(draw(name, 0, *size)))
    assert all(value is None or np.isfinite(value) for value in (getattr(seen, f.name) for f in fields(Look)))
    assert choose(seen).model in MODELS


def test_only_the_middle_of_a_large_picture_is_looked_at():
    colour = np.zeros((2400, 2400, 3), np.uint8)
    colour[800:1600, 800:1600] = np.asarray(CLEAN.resize((800, 800)))
    assert look(Picture(colour)).flat < 0.6


def test_deep_and_grey_pictures_are_looked_at():
    deep = Picture(np.asarray(CLEAN, np.uint16) * 257)
    grey = from_pil(CLEAN.convert("L"))
    assert look(deep) == look(from_pil(CLEAN))
    assert choose(look(grey)).kind == "clean"


def test_only_what_is_visible_is_looked_at():
    """A product cut out of its photo is still a photo."""
    colour = np.asarray(CLEAN).copy()
    y, x = np.mgrid[: colour.shape[0], : colour.shape[1]]
    inside = ((x - 113) / 90) ** 2 + ((y - 75) / 60) ** 2 < 1
    for hidden in (0, np.random.default_rng(0).integers(0, 256, colour.shape)):
        cut_out = Picture(np.where(inside[..., None], colour, hidden).astype(np.uint8), alpha=inside * np.uint8(255))
        assert kind(cut_out) == "clean"
        assert look(cut_out).flat < 0.01
    nothing = Picture(colour, alpha=np.zeros(colour.shape[:2], np.uint8))
    assert look(nothing).flat == 1.0


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1)])
def test_a_line_of_noise_is_not_flat(shape):
    seen = look(Picture(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)))
    assert seen.flat < 0.01


# What is chosen


def graphic(name: str, seed: int) -> Picture:
    return from_pil(draw(name, seed, 400, 300))


def smaller(name: str) -> Image.Image:
    """A graphic that was made smaller: its edges are smooth."""
    return draw(name, 1, 800, 600).convert("RGB").resize((400, 300), Image.Resampling.BICUBIC)


def ruled() -> Picture:
    """Lines of one pixel, soft on one side, as programs draw them."""
    page = np.full((120, 160), 255, np.uint8)
    page[::12], page[1::12] = 40, 250
    return from_pil(Image.fromarray(page).convert("RGB"))


KINDS = {
    "two-valued": lambda: graphic("fax", 2),
    "gradient": lambda: graphic("gradient", 2),
    "hard-edged": lambda: graphic("pixelart", 1),
    "low-quality JPEG": lambda: jpeg(CLEAN, 40),
    "blocks of JPEG": lambda: replace(jpeg(CLEAN, 30), tables=()),
    "halftone": lambda: graphic("grating", 1),
    "JPEG graphic": lambda: jpeg(smaller("chart"), 85),
    "drawn": ruled,
    "graphic": lambda: from_pil(smaller("chart")),
    "noisy": lambda: noisy(CLEAN, 12),
    "blurred": lambda: from_pil(CLEAN.filter(ImageFilter.GaussianBlur(2))),
    "JPEG": lambda: jpeg(CLEAN, 85),
    "faint blocks": lambda: replace(jpeg(CLEAN, 84), tables=()),
    "some noise": lambda: noisy(CLEAN, 4),
    "good JPEG": lambda: jpeg(CLEAN, 94),
    "little noise": lambda: noisy(CLEAN, 2.4),
    "clean": lambda: from_pil(CLEAN),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_line_of_the_table_has_a_picture(name):
    assert kind(KINDS[name]()) == name


def test_the_table_is_complete():
    assert set(KINDS) == {rule.kind for rule in TABLE}
    assert not TABLE[-1].minimum
    assert not TABLE[-1].maximum
    names = {f.name for f in fields(Look)}
    assert all(set(rule.minimum) | set(rule.maximum) <= names for rule in TABLE)


@pytest.mark.parametrize("sigma", [8, 12, 20, 30, 50])
def test_noise_is_never_given_to_the_clean_model(sigma):
    assert choose(look(noisy(CLEAN, sigma))).model == "flowsr-s"


# How it is used


def test_auto_is_the_model_that_it_chose():
    auto, clean, restorer = Upscaler(), Upscaler("linf-lp-s"), Upscaler("flowsr-s")
    assert auto.entry.name == "auto"
    photo, scan = PART, draw("fax", 2, 64, 48).convert("L")
    assert np.array_equal(auto.upscale(photo, 2), clean.upscale(photo, 2))
    assert np.array_equal(auto.upscale(scan, 2), restorer.upscale(scan, 2, detail=0.0))


def test_detail_is_that_of_the_choice_times_ones_own():
    auto, chart = Upscaler("auto"), KINDS["graphic"]()
    chosen = auto.pick(chart, Sampling(detail=0.5))
    assert (chosen.upscaler.entry.name, chosen.sampling.detail) == ("linf-lp-s", 0.25)
    assert auto.pick(chart).choice.kind == "graphic"
    same = Upscaler("linf-s")
    assert same.pick(chart).upscaler is same


def test_each_picture_of_a_folder_gets_its_own_choice_and_the_record_tells_it(tmp_path):
    PART.save(tmp_path / "clean.png")
    PART.save(tmp_path / "poor.jpg", quality=20)
    draw("fax", 2, 64, 48).save(tmp_path / "scan.png")
    run = CliRunner().invoke(app, ["upscale", str(tmp_path), "-o", str(tmp_path / "out"), "-s", "2", "--json"])
    assert run.exit_code == 0, run.output
    records = {Path(r["input"]).stem: r for r in map(json.loads, run.stdout.splitlines()) if "input" in r}
    assert {name: r["model"] for name, r in records.items()} == {
        "clean": "linf-lp-s", "poor": "flowsr-s", "scan": "flowsr-s",
    }  # fmt: skip
    assert records["poor"]["choice"]["why"] == "JPEG quality 20"
    assert records["scan"]["choice"]["seen"]["colours"] == 2
    with Image.open(tmp_path / "out" / "poor_x2.jpg") as made:
        assert "flowsr-s (JPEG quality 20), x2, detail 0" in made.getexif()[0x000B]


def test_the_choice_is_said_in_one_line_and_explained_when_asked(tmp_path):
    PART.save(tmp_path / "poor.jpg", quality=20)
    command = ["upscale", str(tmp_path / "poor.jpg"), "-s", "2", "--dry-run"]
    told = CliRunner().invoke(app, command).stdout
    assert told.splitlines() == [f"{tmp_path / 'poor_x2.jpg'} (128x96; flowsr-s: JPEG quality 20) would be made"]
    explained = CliRunner().invoke(app, [*command, "--explain"]).stdout.splitlines()
    assert explained[0] == told.strip()
    assert explained[1].strip().startswith("low-quality JPEG, detail 0: jpeg 20.")
    named = CliRunner().invoke(app, [*command, "-n", "linf-lp-s"]).stdout
    assert named.strip() == f"{tmp_path / 'poor_x2.jpg'} (128x96) would be made"


def test_all_frames_of_an_animation_are_made_by_one_model(tmp_path):
    frames = [PART, draw("fax", 2, 64, 48).convert("RGB")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    command = ["upscale", str(tmp_path / "a.webp"), "-s", "2", "-o"]
    assert CliRunner().invoke(app, [*command, str(tmp_path / "auto.webp")]).exit_code == 0
    assert CliRunner().invoke(app, [*command, str(tmp_path / "clean.webp"), "-n", "linf-lp-s"]).exit_code == 0
    assert np.array_equal(read(tmp_path / "auto.webp", 1).colour, read(tmp_path / "clean.webp", 1).colour)
