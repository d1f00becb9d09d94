"""The Python API."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import Target, Upscaler
from srcli.images.picture import Picture
from srcli.images.read import from_pil
from srcli.tiling.strips import Engine, NotFinite
from tests.support.places import EXAMPLES

CAT = Image.open(EXAMPLES / "cat.png").crop((40, 30, 100, 80))
SMALL = CAT.crop((0, 0, 40, 32))
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("srflow-lp-s", "srflow-s")]


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("linf-lp", precision="fp32")


def test_kinds_in_are_kinds_out(upscaler):
    image = upscaler.upscale(CAT, scale=3.5)
    assert isinstance(image, Image.Image)
    assert image.size == (210, 175)
    array = upscaler.upscale(np.asarray(CAT), scale=3.5)
    assert np.array_equal(array, np.asarray(image))
    grey = upscaler.upscale(np.asarray(CAT.convert("L")), target=Target(width=100))
    assert grey.shape == (83, 100)


@pytest.mark.parametrize("model", ["linf-lp-s", "linf-s", *SLOW, "flowsr-s", "flowmap-s"])
def test_tiles_do_not_change_a_single_byte(model):
    upscaler = Upscaler(model, precision="fp32")

    def made(tile: int) -> np.ndarray:
        upscaler.engine.tile = tile
        return np.asarray(upscaler.upscale(SMALL, scale=2.7, temperature=0.6, seed=4))

    whole = made(0)
    assert [tile for tile in (16, 37, 64, 300) if not np.array_equal(made(tile), whole)] == []


@pytest.mark.slow
def test_threads_do_not_change_a_single_byte_of_tiles():
    upscaler = Upscaler("linf-lp-s", precision="fp32", threads=2, tile=37)
    tiled = np.asarray(upscaler.upscale(SMALL, scale=2.7))
    upscaler.engine.tile = 0
    assert np.array_equal(tiled, np.asarray(upscaler.upscale(SMALL, scale=2.7)))


def test_a_ramp_stays_one(upscaler):
    ramp = np.repeat(np.linspace(20, 220, 60).astype(np.uint8)[None], 40, 0)
    steps = np.diff(np.asarray(upscaler.upscale(ramp, scale=4)).astype(int)[:, 16:-16], axis=1)
    assert steps.max() <= 8
    assert steps.min() >= -6


def test_scale_one_keeps_the_picture(upscaler):
    same = np.asarray(upscaler.upscale(CAT, scale=1.0)).astype(float)
    assert same.shape == np.asarray(CAT).shape
    assert np.sqrt(np.mean((same - np.asarray(CAT)) ** 2)) < 6


def test_better_than_bicubic(upscaler):
    photo = Image.open(EXAMPLES / "cat.png").convert("RGB").crop((0, 0, 224, 148))
    small = photo.resize((112, 74), Image.Resampling.BICUBIC)

    def error(image: Image.Image) -> float:
        return float(np.mean((np.asarray(image).astype(float) - np.asarray(photo)) ** 2))

    bicubic = error(small.resize(photo.size, Image.Resampling.BICUBIC))
    assert error(upscaler.upscale(small, scale=2, detail=0)) < 0.85 * bicubic


class Breaking:
    """The real model, but its results are not finite at reduced precision (or always)."""

    def __init__(self, model, always: bool) -> None:
        self.model, self.always = model, always
        self.scales = model.scales

    def __getattr__(self, name):
        return getattr(self.model, name)

    def decode(self, *arguments):
        made = self.model.decode(*arguments)
        broken = self.always or torch.is_autocast_enabled("cpu")
        return replace(made, picture=made.picture * float("nan")) if broken else made


@pytest.mark.parametrize("ahead", [0, 1], ids=["at once", "late, as from a GPU"])
def test_not_finite_tiles_are_made_again_in_float32(monkeypatch, ahead):
    reference = Upscaler("linf-lp-s", precision="fp32").upscale(CAT, scale=2)
    monkeypatch.setattr(Engine, "ahead", ahead)
    broken = Upscaler("linf-lp-s", precision="bf16", tile=64)
    broken.engine.model = Breaking(broken.model, always=False)
    result = broken.run(from_pil(CAT), Target(scale=2))
    assert result.redone_tiles == result.tiles == 4
    assert np.array_equal(result.picture.colour, np.asarray(reference))
    broken.engine.model = Breaking(broken.model, always=True)
    with pytest.raises(NotFinite):
        broken.run(from_pil(CAT), Target(scale=2))


def test_out_of_memory_shrinks_the_tiles(upscaler, monkeypatch):
    small = Upscaler("linf-lp-s", precision="fp32")
    decode = small.model.decode

    def limited(features, window, size, sampling):
        if window.height * window.width > 9000:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"
            )
        return decode(features, window, size, sampling)

    monkeypatch.setattr(small.model, "decode", limited)
    result = small.run(from_pil(CAT), Target(scale=4))
    assert result.tiles > 1
    assert np.array_equal(result.picture.colour, np.asarray(upscaler.upscale(CAT, scale=4)))


@pytest.mark.parametrize("ahead", [0, 1], ids=["at once", "a strip ahead, as on a GPU"])
def test_out_of_memory_half_way_loses_and_counts_nothing_twice(upscaler, monkeypatch, ahead):
    monkeypatch.setattr(Engine, "ahead", ahead)
    small, calls, told = Upscaler("linf-lp-s", precision="fp32"), [], []
    small.engine.budget = 6 * 2**20
    decode = small.model.decode

    def limited(features, window, size, sampling):
        calls.append(window)
        if len(calls) == 4:  # the last of two strips of two tiles
            raise RuntimeError("CUDA error: out of memory")
        return decode(features, window, size, sampling)

    monkeypatch.setattr(small.model, "decode", limited)
    made = small.stream(from_pil(CAT), Target(scale=4), progress=lambda done, total: told.append((done, total)))
    bands = [colour for colour, _ in made.bands()]
    assert np.array_equal(np.concatenate(bands), np.asarray(upscaler.upscale(CAT, scale=4)))
    assert made.count.tiles == len(calls) - (4 if ahead else 2)  # without what was lost
    assert told[-1][0] == told[-1][1] == made.layout.size.height * made.layout.size.width
    assert max(done for done, _ in told) == told[-1][1]


def test_large_pictures_are_encoded_in_parts_and_equal_the_whole():
    photo = from_pil(Image.open(EXAMPLES / "cat.png").convert("RGB"))
    small = Upscaler("linf-lp-s", precision="fp32")
    whole = small.run(photo, Target(scale=1.6)).picture.colour
    small.engine.budget = 30 * 2**20
    parts = small.run(photo, Target(scale=1.6))
    assert parts.tiles > 1
    assert np.array_equal(parts.picture.colour, whole)


def test_the_callers_image_is_not_changed():
    from srcli.images.metadata import ORIENTATION

    image = CAT.convert("RGB").copy()
    image.getexif()[ORIENTATION] = 6
    first, second = from_pil(image), from_pil(image)
    assert first.size == second.size
    assert image.getexif()[ORIENTATION] == 6


@pytest.mark.parametrize("name", ["linf-lp-s", "linf-s", "srflow-lp-s", "flowsr-s", "flowmap-s"])
def test_tiles_show_no_seam_in_reduced_precision(name):
    """In bfloat16 kernels may differ with the size of a tile, by less than can be seen."""
    photo, upscaler = from_pil(SMALL.convert("RGB")), Upscaler(name, precision="bf16")

    def made(scale: float, tile: int) -> np.ndarray:
        upscaler.engine.tile = tile
        result = upscaler.run(photo, Target(scale=scale))
        assert (result.tiles > 1) == (tile > 0)
        return result.picture.colour.astype(int)

    for scale in (2, 3.3):
        assert np.abs(made(scale, 0) - made(scale, 48)).max() <= 1


@pytest.mark.parametrize("tile", [0, 40])
@pytest.mark.parametrize("scale", [2, 3.7])
def test_flat_grey_stays_flat(tile, scale):
    grey = Picture(np.full((40, 56, 3), 119, np.uint8))
    made = Upscaler("linf-lp-s", tile=tile).run(grey, Target(scale=scale)).picture.colour
    assert np.ptp(made.astype(int)) <= 1
    assert np.abs(made.astype(int) - 119).max() <= 4


@pytest.mark.parametrize("scale", [2, 3.7])
def test_a_smooth_ramp_shows_no_step_at_tile_borders(scale):
    ramp = np.broadcast_to(np.linspace(10_000, 50_000, 64).astype(np.uint16)[None, :, None], (48, 64, 3)).copy()
    made = Upscaler("linf-lp-s", tile=40).run(Picture(ramp), Target(scale=scale)).picture.colour / 257
    inside = made[:, 16:-16].mean((0, 2))  # the picture's own borders bend the ramp
    bends = np.abs(np.diff(inside, 2))
    borders = [b - 16 for b in range(40, made.shape[1] - 18, 40)]
    assert bends[[i for b in borders for i in (b - 2, b - 1)]].max() < 0.5  # of a step of 8 bits
    down = np.abs(np.diff(made[16:-16].mean((1, 2)), 2))
    assert down.max() < 0.5
