"""No picture comes out broken: results are compared with what went in, and made again where they differ."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from srcli import Target, Upscaler, batch
from srcli.cli.app import app
from srcli.drawing import draw
from srcli.flows.exploding import Exploded
from srcli.geometry import Size, Window
from srcli.images.picture import Picture
from srcli.images.read import from_pil
from srcli.methods.bicubic.model import PlainModel
from srcli.resampling import enlarged
from srcli.tiling.guard import LIMIT, Unfaithful, disagreement, fallbacks
from srcli.tiling.model import Sampling
from srcli.tiling.strips import Engine
from tests.support.places import EXAMPLES

SRFLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("srflow-lp-s", "srflow-s")]
EMBEDDED = ["linf-lp-s", "linf-s", *SRFLOW, "flowsr-s", "flowmap-s", "bicubic"]


def cat(height: int = 60, width: int = 80) -> Tensor:
    with Image.open(EXAMPLES / "cat.png") as image:
        pixels = np.asarray(image.convert("RGB").crop((40, 30, 40 + width, 30 + height)), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(1, 8), st.floats(1, 8), st.data())
def test_a_window_of_an_honest_enlargement_agrees(h, w, sy, sx, data):
    size = Size(max(1, round(h * sy)), max(1, round(w * sx)))
    top = data.draw(st.integers(0, size.height - 1))
    left = data.draw(st.integers(0, size.width - 1))
    window = Window(
        top, left, data.draw(st.integers(1, size.height - top)), data.draw(st.integers(1, size.width - left))
    )
    lr = cat(h, w)
    assert disagreement(enlarged(lr, window, size), lr, window, size) < LIMIT


def test_means_are_those_of_the_same_areas():
    """A ramp: the mean of any area is its middle, wherever the window begins."""
    ramp = torch.linspace(0, 1, 120).view(1, 1, 1, 120).expand(1, 3, 50, 120)
    size, window = Size(175, 420), Window(31, 77, 100, 290)
    assert disagreement(enlarged(ramp, window, size), ramp, window, size) < 1e-3
    moved = enlarged(ramp, Window(31, 60, 100, 290), size)  # 17 pixels of 420 to the left: darker by 17 / 420
    assert disagreement(moved, ramp, window, size) == pytest.approx(17 / 420, abs=1e-3)


@pytest.mark.parametrize("scale", [1.5, 3, 8])
def test_a_burst_is_seen_wherever_it_is(scale):
    lr = cat()
    size = Size(round(60 * scale), round(80 * scale))
    made = enlarged(lr, Window.whole(size), size)
    for y, x in ((0, 0), (size.height - 51, size.width - 51), (size.height // 3, size.width // 4)):
        broken = made.clone()
        part = broken[..., y : y + 51, x : x + 51]  # as large as the notch made it
        part.copy_(1 - part.round())
        assert disagreement(broken, lr, Window.whole(size), size) > LIMIT


def test_what_is_not_finite_does_not_agree():
    lr, size = cat(), Size(120, 160)
    made = enlarged(lr, Window.whole(size), size)
    for value in (float("nan"), float("inf")):
        made[0, 1, 60, 80] = value
        assert not np.isfinite(disagreement(made, lr, Window.whole(size), size))


def test_the_ladder_ends_in_interpolation():
    linf, plain = Upscaler("linf-lp-s").model, PlainModel()
    details = [None if s is None else s.detail for s in fallbacks(linf, Sampling())]
    assert details == [0.5, 0.0, None]
    assert list(fallbacks(linf, Sampling(detail=0, temperature=0.0))) == [None]
    assert list(fallbacks(plain, Sampling())) == [None]


class Bursting:
    """A model whose results have a burst in the upper left corner above some detail."""

    def __init__(self, model, sound: float) -> None:
        self.model, self.sound = model, sound

    def __getattr__(self, name):
        return getattr(self.model, name)

    def decode(self, features, window, size, sampling):
        made = self.model.decode(features, window, size, sampling)
        if (window.top, window.left) == (0, 0) and sampling.detail > self.sound:
            burst = made.picture.clone()
            burst[..., :40, :40] = 1e3
            return replace(made, picture=burst)
        return made


def bursting(sound: float, tile: int = 64) -> Upscaler:
    upscaler = Upscaler("linf-lp-s", precision="fp32", tile=tile)
    upscaler.engine.model = Bursting(upscaler.model, sound)
    return upscaler


CAT = from_pil(Image.open(EXAMPLES / "cat.png").convert("RGB").crop((40, 30, 140, 100)))


@pytest.mark.parametrize("ahead", [0, 1], ids=["at once", "late, as from a GPU"])
@pytest.mark.parametrize(("sound", "detail"), [(0.5, 0.5), (0.0, 0.0), (-1.0, None)])
def test_a_tile_that_bursts_is_made_again_more_faithfully(monkeypatch, sound, detail, ahead):
    monkeypatch.setattr(Engine, "ahead", ahead)
    result = bursting(sound).run(CAT, Target(scale=2))
    assert (result.tiles, result.guarded_tiles) == (12, 1)
    model = Upscaler("bicubic" if detail is None else "linf-lp-s", precision="fp32", tile=64)
    expected = model.run(CAT, Target(scale=2), Sampling(detail=detail or 0.0)).picture.colour
    assert np.array_equal(result.picture.colour[:64, :64], expected[:64, :64])
    whole = Upscaler("linf-lp-s", precision="fp32").run(CAT, Target(scale=2)).picture.colour
    assert np.array_equal(result.picture.colour[64:], whole[64:])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_exploded_patches_are_counted_one_by_one(monkeypatch, precision):
    upscaler = Upscaler("linf-lp-s", precision=precision, tile=64)
    monkeypatch.setattr(upscaler.model, "_count", lambda *_: torch.tensor(1237))
    assert upscaler.run(CAT, Target(scale=2)).exploded == 12 * 1237


def test_strict_makes_it_an_error():
    with pytest.raises(Unfaithful, match="does not match the input around pixel 0,0"):
        bursting(0.0).run(CAT, Target(scale=2), Sampling(strict=True))
    assert bursting(1.0).run(CAT, Target(scale=2), Sampling(strict=True)).guarded_tiles == 0


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_guarded_tiles_are_told_in_the_record_and_in_the_file(tmp_path, suffix):
    Image.fromarray(CAT.colour).save(tmp_path / "a.png")
    job = batch.UpscaleBatch(upscaler=bursting(0.0), target=Target(scale=2), sampling=Sampling())
    plan = batch.plan([tmp_path / "a.png"], tmp_path / f"b{suffix}")
    (record,) = batch.run(plan.items, job)
    assert (record.status, record.guarded_tiles, record.tiles) == ("done", 1, 12)
    assert record.notes[-1] == "1 of 12 tiles did not match the input and were recomputed with less detail"
    with Image.open(tmp_path / f"b{suffix}") as made:
        made.load()
        assert made.getexif()[0x000B].endswith("guarded tiles       1")


def test_frames_are_guarded_too(tmp_path):
    frames = [Image.fromarray(CAT.colour), Image.fromarray(CAT.colour[::-1])]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    job = batch.UpscaleBatch(upscaler=bursting(0.0), target=Target(scale=2), sampling=Sampling())
    (record,) = batch.run(batch.plan([tmp_path / "a.webp"], tmp_path / "b.webp").items, job)
    assert (record.frames, record.guarded_tiles, record.tiles) == (2, 2, 24)


def test_strict_on_the_command_line(tmp_path, monkeypatch):
    Image.fromarray(CAT.colour).save(tmp_path / "a.png")
    command = ["upscale", str(tmp_path / "a.png"), "-s", "2", "-y", "--json"]
    assert CliRunner().invoke(app, [*command, "--strict"]).exit_code == 0
    monkeypatch.setattr("srcli.tiling.strips.LIMIT", 1e-6)  # nothing agrees that well
    record = json.loads(CliRunner().invoke(app, command).stdout.splitlines()[0])
    assert (record["status"], record["guarded_tiles"]) == ("done", 1)
    record = json.loads(CliRunner().invoke(app, [*command, "--strict"]).stdout.splitlines()[0])
    assert record["status"] == "failed"
    assert record["error"].startswith(f"{tmp_path / 'a.png'}: the result of linf-lp-s does not match")


def test_an_exploded_inverse_is_an_error_where_that_was_asked_for():
    dither, clean = from_pil(draw("dither", 1, 48, 48)), Upscaler("linf-lp-s")
    assert clean.run(dither, Target(scale=2)).exploded > 0
    with pytest.raises(Exploded, match="explodes in"):
        clean.run(dither, Target(scale=2), Sampling(on_explode="error"))


def test_memory_that_runs_out_counts_no_tile_twice(monkeypatch):
    upscaler = bursting(-1.0, tile=0)
    decode, calls = upscaler.model.decode, []

    def short(features, window, size, sampling):
        calls.append(window)
        if len(calls) == 2:
            raise MemoryError
        return decode(features, window, size, sampling)

    upscaler.engine.budget = 2**22
    monkeypatch.setattr(upscaler.engine.model, "decode", short, raising=False)
    result = upscaler.run(CAT, Target(scale=4))
    assert result.tiles > 1
    assert result.guarded_tiles == 1


@pytest.mark.parametrize("tile", [16, 19, 23, 64])
def test_thin_remainders_of_tiles_are_not_guarded(tile):
    """A strip of one row shows too little of its pixels for means to agree."""
    pixels = np.random.default_rng(0).integers(0, 2, (24, 24, 1), np.uint8) * np.uint8(255)
    for name, scale in (("linf-lp-s", 4), ("flowsr-s", 2), ("bicubic", 3.3)):
        assert Upscaler(name, tile=tile).run(Picture(pixels), Target(scale=scale)).guarded_tiles == 0, name


GRAPHICS = [("text", 3), ("fax", 1), ("dither", 1), ("dither", 2), ("checker", 2), ("code", 0), ("pixelart", 1)]


@pytest.mark.parametrize("name", EMBEDDED)
def test_no_embedded_model_breaks_a_graphic(name):
    """Text, 1-bit scans, checkers: what burst with linf-lp-s before its flow was bounded."""
    upscaler = Upscaler(name)
    for kind, seed in GRAPHICS:
        picture = from_pil(draw(kind, seed, 72, 64))
        result = upscaler.run(picture, Target(scale=2))
        assert result.guarded_tiles == 0, (kind, seed)
