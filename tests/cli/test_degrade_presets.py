"""`srcli degrade --preset`: a picture and what was drawn for it, bad files and commands in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from srcli.degradation.synthetic import Degradation
from srcli.geometry import Size
from tests.support.command import srcli
from tests.support.places import EXAMPLES

CAT = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))[:144, :144]


def test_degrade_writes_a_picture_and_what_was_drawn(tmp_path):
    Image.fromarray(CAT[:101, :130]).save(tmp_path / "a.png")
    result = srcli("degrade", tmp_path / "a.png", "--preset", "heavy", "--scale", 4, "--seed", 1)
    assert result.exit_code == 0, result.output
    made, told = tmp_path / "a_heavy_x4.png", json.loads((tmp_path / "a_heavy_x4.json").read_text())
    assert Image.open(made).size == (32, 25) == (told["width"], told["height"])
    again = Degradation.from_dict(told)(CAT[:100, :128], Size(25, 32))
    assert np.array_equal(np.asarray(Image.open(made)), again)
    assert srcli("degrade", tmp_path / "a.png", "--preset", "heavy", "--scale", 4).exit_code == 0  # skipped: it exists
    assert srcli("degrade", tmp_path, "--scale", 1.5, "-o", tmp_path / "out").exit_code == 0
    made = [".srcli-ledger.jsonl", "a_moderate_x1.5.json", "a_moderate_x1.5.png"]
    assert [p.name for p in sorted((tmp_path / "out").iterdir())] == made


def test_degrade_survives_a_bad_file_and_says_what_is_wrong(tmp_path):
    Image.fromarray(CAT).convert("LA").save(tmp_path / "grey.png")
    (tmp_path / "bad.png").write_text("no picture")
    result = srcli("degrade", tmp_path, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 3
    assert "bad.png is not a picture" in result.stderr
    assert Image.open(tmp_path / "out" / "grey_moderate_x4.png").mode == "LA"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["nowhere.png"], 1, "does not exist"),
        ([EXAMPLES / "cat.png", "--preset", "cruel"], 2, "unknown preset"),
        ([EXAMPLES / "cat.png", "--scale", "0.5"], 2, "--scale must be from 1 to 16"),
        ([EXAMPLES / "cat.png", "--seed", "-1"], 2, "--seed must be 0 or more"),
        ([EXAMPLES / "cat.png", "-o", "out.xyz"], 2, "cannot write"),
    ],
)
def test_bad_degrade_commands_are_one_sentence(tmp_path, monkeypatch, options, code, says):
    monkeypatch.chdir(tmp_path)
    result = srcli("degrade", *options)
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
    assert "Traceback" not in result.output
