"""`srcli train sheet`: the first pairs of a recipe, drawn and named."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from srcli.training import recipe
from srcli.training.data.photos import Photos
from srcli.training.sheet import CELL, GAP, of_crops, sheet
from tests.support.command import srcli, train
from tests.support.places import EXAMPLES

OWN = """
task = "flowsr"
[architecture]
kind = "velocity"
[crops]
preset = "everyday"
batch = 4
crop = 64
margin = 8
graphics_share = 0.5
[loss]
l2 = 1.0
"""
LINF = """
task = "linf"
[architecture]
kind = "linf"
[crops]
crop = 24
windows = 0
graphics_share = 0.5
degraded_share = 0.5
[loss]
upsampling = 1.0
"""


@pytest.mark.parametrize("text", [OWN, LINF])
def test_a_sheet_shows_what_a_recipe_is_trained_on(tmp_path, text):
    own = tmp_path / "own.toml"
    own.write_text(text)
    result = train("sheet", own, "--data", EXAMPLES, "--out", tmp_path / "sheet.png", "--count", 5)
    assert "5 pairs in" in result.output
    page = np.asarray(Image.open(tmp_path / "sheet.png"))
    crops = recipe.load(str(own)).crops
    pairs = of_crops(crops, Photos(EXAMPLES, shortest=crops.shortest), 0, 5)
    assert len(pairs) == 5
    assert np.array_equal(page, np.asarray(sheet(pairs)))
    first = page[GAP : GAP + CELL, GAP : GAP + 2 * CELL + 2]
    for left, picture in ((0, pairs[0].sharp), (CELL + 2, pairs[0].given)):
        whole = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.NEAREST)
        assert np.array_equal(first[:, left : left + CELL], np.asarray(whole))
    words = page[GAP + CELL : GAP + CELL + 20, GAP : GAP + CELL]
    assert words.min() < 100  # there are letters
    assert words.max() == 255


def test_the_same_seed_gives_the_same_sheet(tmp_path):
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train("sheet", "--data", EXAMPLES, "-o", tmp_path / f"{name}.png", "--count", 4, "--seed", seed)
        made.append((tmp_path / f"{name}.png").read_bytes())
    assert made[0] == made[1] != made[2]


def test_a_packaged_recipe_has_a_sheet(tmp_path):
    train("sheet", "linf", "--data", EXAMPLES, "--out", tmp_path / "sheet.png", "--count", 2)
    assert Image.open(tmp_path / "sheet.png").width == 2 * (2 * CELL + 2 + 2 * GAP) + GAP


def test_what_cannot_be_drawn_is_one_sentence(tmp_path):
    for recipe_name, said in (("nonsense", "no recipe named 'nonsense'"), ("flowsr", "no photo of at least 176")):
        result = srcli("train", "sheet", recipe_name, "--data", EXAMPLES, "--out", tmp_path / "sheet.png")
        assert result.exit_code == 2, result.output
        assert said in " ".join(result.output.split())
    result = srcli("train", "sheet", "--data", EXAMPLES, "--out", tmp_path / "sheet.txt")
    assert result.exit_code == 2
    assert "sheet.txt has another suffix" in " ".join(result.output.split())
    own = tmp_path / "own.toml"
    own.write_text(OWN.replace('preset = "everyday"', 'degradation = "degflow"').replace("graphics_share = 0.5", ""))
    result = srcli("train", "sheet", own, "--data", EXAMPLES, "--out", tmp_path / "sheet.png")
    assert result.exit_code == 2
    assert "learns from generated pictures" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == [own]
