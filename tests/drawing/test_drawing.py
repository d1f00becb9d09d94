"""Drawn graphics: every kind at every size, the same twice, in the mode of such files."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli.drawing import KINDS, draw
from srcli.drawing import fonts as fonts_of_drawings
from srcli.drawing.dice import Dice
from srcli.drawing.kinds import BY_NAME
from tests.support.places import BENCHMARKS

SCRIPT = BENCHMARKS / "quality" / "graphics.py"
SIZES = [(1, 1), (16, 16), (33, 47), (64, 48), (200, 140)]


def pixels(picture: Image.Image) -> bytes:
    return picture.convert("RGBA").tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_at_every_size_in_a_promised_mode(kind: str) -> None:
    for width, height in SIZES:
        for seed in range(6):
            picture = draw(kind, seed, width, height)
            assert picture.size == (width, height)
            assert picture.mode in BY_NAME[kind].modes


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_pixels_and_others_do_not(kind: str) -> None:
    drawn = [pixels(draw(kind, seed, 120, 84)) for seed in range(4)]
    assert [pixels(draw(kind, seed, 120, 84)) for seed in range(4)] == drawn
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_is_blank(kind: str) -> None:
    for seed in range(8):
        assert len(np.unique(np.asarray(draw(kind, seed, 144, 108).convert("RGBA")).reshape(-1, 4), axis=0)) > 1


def test_kinds_of_one_bit_have_two_values() -> None:
    for kind in ("fax", "dither"):
        for seed in range(6):
            assert set(np.unique(np.asarray(draw(kind, seed, 96, 72)))) == {False, True}


def test_palettes_have_few_colours_and_sometimes_a_transparent_one() -> None:
    drawn = [draw(kind, seed, 96, 72) for kind in ("palette", "pixelart") for seed in range(8)]
    assert all(len(picture.getcolors()) <= 64 for picture in drawn)
    clear = [picture for picture in drawn if "transparency" in picture.info]
    assert 0 < len(clear) < len(drawn)
    for picture in clear:
        written = io.BytesIO()
        picture.save(written, "PNG")
        assert set(np.unique(np.asarray(Image.open(written).convert("RGBA"))[..., 3])) == {0, 255}


def test_logos_and_icons_have_clear_solid_and_partly_clear_pixels() -> None:
    for kind in ("logo", "icon"):
        alpha = np.asarray(draw(kind, 1, 120, 90))[..., 3]
        assert {0, 255} < set(np.unique(alpha))


def test_pixel_art_is_made_of_square_cells() -> None:
    drawn = np.asarray(draw("pixelart", 0, 240, 192))
    cells = [n for n in (2, 3, 4, 6) if np.array_equal(drawn, np.kron(drawn[::n, ::n], np.ones((n, n)))[:192, :240])]
    assert cells


def test_every_kind_draws_without_fonts_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts_of_drawings, "installed", dict)
    for cached in (fonts_of_drawings.load, fonts_of_drawings.passages):
        cached.cache_clear()
    try:
        for kind in KINDS:
            assert draw(kind, 1, 96, 72).size == (96, 72)
    finally:
        for cached in (fonts_of_drawings.load, fonts_of_drawings.passages):
            cached.cache_clear()


def test_fonts_have_all_letters_of_their_passages() -> None:
    for passage in fonts_of_drawings.passages():
        for seed in range(12):
            font = fonts_of_drawings.font_for(Dice("text", seed), passage, "sans", 24)
            missing = bytes(font.getmask("\U0010fffd"))
            letters = {letter for sentence in passage.sentences for letter in sentence} - {" "}
            assert not [letter for letter in letters if bytes(font.getmask(letter)) == missing], font.getname()


def test_an_unknown_kind_or_size_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind 'sculpture'"):
        draw("sculpture", 0, 16, 16)
    with pytest.raises(ValueError, match="0x16"):
        draw("text", 0, 0, 16)


def test_drawing_does_not_import_torch() -> None:
    code = "import sys, srcli.drawing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_script_writes_sixty_truths_with_small_versions(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, tmp_path, "--size", "96x72", "--scales", "2,4"]
    subprocess.run(command, check=True, capture_output=True)
    truths = sorted((tmp_path / "truth").iterdir())
    assert len(truths) == 60
    assert {path.stem.split("_")[1] for path in truths} == set(KINDS)
    for path in truths:
        for scale in (2, 4):
            with Image.open(path) as truth, Image.open(tmp_path / f"x{scale}" / path.name) as small:
                assert small.size == (96 // scale, 72 // scale)
                assert ("A" in small.mode) == ("A" in truth.mode or "transparency" in truth.info)
    native = {path.stem.split("_")[1] for path in (tmp_path / "native").iterdir()}
    assert native == {"fax", "dither", "palette", "icon", "code", "pixelart"}
    assert (tmp_path / "sheet.png").exists()
