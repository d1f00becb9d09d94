"""Sizes of another shape than the picture's, and pictures that are already large enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srcli import Size, Target, Upscaler
from srcli.images.read import from_pil
from tests.support.command import photo, shape, srcli
from tests.support.places import EXAMPLES

SIDES = st.integers(1, 4000)


def folder_of_photos(folder: Path) -> Path:
    """One wide, one high, one large."""
    folder.mkdir()
    photo(folder / "wide.png", 20, 30)
    photo(folder / "high.png", 30, 20)
    photo(folder / "large.png", 80, 100)
    return folder


@pytest.mark.parametrize(
    ("fit", "wide", "high"),
    [(None, (60, 40), (40, 60)), ("contain", (60, 40), (40, 60)), ("cover", (60, 60), (60, 60))],
)
def test_a_folder_of_mixed_shapes_is_never_stretched(tmp_path, fit, wide, high):
    folder, out = folder_of_photos(tmp_path / "in"), tmp_path / "out"
    chosen = [] if fit is None else ["--fit", fit]
    result = srcli("upscale", folder, "--size", "60x60", *chosen, "-o", out, "-n", "bicubic", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[-1]["summary"] == {"done": 2, "skipped": 1}
    assert shape(out / f"wide_{wide[0]}x{wide[1]}.png") == wide
    assert shape(out / f"high_{high[0]}x{high[1]}.png") == high
    (large,) = (line for line in lines if line.get("status") == "skipped")
    assert large["error"].startswith(f"{folder / 'large.png'} is large enough: it has 100x80 pixels")


@pytest.mark.parametrize("options", [["--long-side", 24], ["--short-side", 19], ["--megapixels", 0.0001]])
def test_a_picture_that_is_large_enough_is_skipped_and_no_failure(tmp_path, options):
    photo(tmp_path / "a.png")
    result = srcli("upscale", tmp_path / "a.png", *options)
    assert result.exit_code == 0
    assert "skipped: " in result.stderr
    assert "is large enough: it has 24x20 pixels" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_scale_1_is_made_though_the_picture_is_large_enough(tmp_path):
    photo(tmp_path / "a.png")
    assert srcli("upscale", tmp_path / "a.png", "-s", 1).exit_code == 0
    assert shape(tmp_path / "a_x1.png") == (24, 20)


def test_a_pipe_does_not_end_in_silence_without_a_picture(tmp_path):
    photo(tmp_path / "a.png")
    result = srcli("upscale", tmp_path / "a.png", "--long-side", 24, "-o", "-")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "large enough" in result.stderr
    assert "nothing was written" in result.stderr


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (61, 47)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_cover_is_the_middle_of_the_enlarged_picture(size, mode):
    """Of a picture that fills the size. In float32, and in small tiles, where nothing may depend on the crop."""
    with Image.open(EXAMPLES / "cat.png") as cat:
        small = cat.convert("RGB").crop((60, 40, 84, 60))
    if mode == "RGBA":
        small.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 24, dtype=np.uint8), (20, 1))))
    upscaler = Upscaler("linf-lp-s", precision="fp32", tile=32)
    target = Target(width=size[0], height=size[1], fit="cover")
    made = upscaler.run(from_pil(small), target).picture
    whole = target.enlarged(Size(20, 24))
    assert made.size == Size(size[1], size[0])
    assert whole.height == size[1] or whole.width == size[0]
    full = upscaler.run(from_pil(small), Target(width=whole.width, height=whole.height, fit="stretch")).picture
    top, left = (whole.height - size[1]) // 2, (whole.width - size[0]) // 2
    rows, columns = slice(top, top + size[1]), slice(left, left + size[0])
    assert np.array_equal(made.colour, full.colour[rows, columns])
    assert (made.alpha is None) == (mode == "RGB")
    if made.alpha is not None:
        assert np.array_equal(made.alpha, full.alpha[rows, columns])


@given(SIDES, SIDES, SIDES, SIDES)
def test_contain_stays_within_and_cover_leaves_no_gap(height, width, high, wide):
    source = Size(height, width)
    inside = Target(width=wide, height=high).size(source)
    assert inside.height <= high
    assert inside.width <= wide
    assert inside.height == high or inside.width == wide
    cover = Target(width=wide, height=high, fit="cover")
    whole, shown = cover.enlarged(source), cover.shown(source)
    assert cover.size(source) == Size(high, wide) == Size(shown.height, shown.width)
    assert shown.top >= 0 <= shown.left
    assert shown.bottom <= whole.height
    assert shown.right <= whole.width
    assert abs(shown.top - (whole.height - shown.bottom)) <= 1
    assert abs(shown.left - (whole.width - shown.right)) <= 1
    for made, factor in ((inside, min(high / height, wide / width)), (whole, max(high / height, wide / width))):
        assert abs(made.height - height * factor) <= 1  # the aspect ratio, but for rounding
        assert abs(made.width - width * factor) <= 1
