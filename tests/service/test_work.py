"""One file within limits."""

from __future__ import annotations

import time

import pytest
from PIL import Image

from srcli.service import Limits, Models, Stop, enlarge, parse, without_folder
from tests.support.command import photo, srcli
from tests.support.places import EXAMPLES


@pytest.fixture(scope="module")
def models():
    return Models(["linf-lp-s", "bicubic"], device="cpu", precision="fp32")


def test_the_result_is_that_of_the_command(models, tmp_path):
    source = photo(tmp_path / "cat.png")
    record = enlarge(source, tmp_path / "ours", parse({"scale": 2, "detail": 0.5}), models, limits=Limits())
    assert (record.status, record.model, record.detail) == ("done", "linf-lp-s", 0.5)
    made = srcli("upscale", source, "-o", tmp_path / "theirs", "-n", "linf-lp-s", "-s", 2, "--detail", 0.5,
                 "--precision", "fp32", "-g", "cpu")  # fmt: skip
    assert made.exit_code == 0, made.output
    (ours,), (theirs,) = ([*(tmp_path / name).iterdir()] for name in ("ours", "theirs"))
    assert ours.name == theirs.name == "cat_x2.png"
    assert ours.read_bytes() == theirs.read_bytes()


def test_models_are_loaded_once_and_only_those_of_the_server(models, tmp_path):
    assert models.get("linf-lp") is models.get() is models.get("linf-lp-s")
    source = photo(tmp_path / "cat.png")
    record = enlarge(source, None, parse({"model": "flowsr-s"}), models, limits=Limits())
    assert (record.status, record.reason) == ("failed", "usage")
    assert record.error == "this server does not have the model 'flowsr-s'; it has linf-lp-s, bicubic"


@pytest.mark.parametrize(
    ("limits", "reason", "says"),
    [
        (Limits(pixels=400), "too-large", "more than the limit of 400"),
        (Limits(result=1000), "too-large", "48x40 pixels, more than the limit of 1000"),
        (Limits(seconds=0.0), "timeout", "not finished after 0 seconds"),
    ],
)
def test_limits_hold(models, tmp_path, limits, reason, says):
    source = photo(tmp_path / "cat.png")
    record = enlarge(source, tmp_path / "out", parse({"scale": 2}), models, limits=limits)
    assert (record.status, record.reason) == ("failed", reason)
    assert says in record.error
    assert "--max-pixels" not in record.error
    assert not (tmp_path / "out").exists()


def test_a_request_in_work_can_be_ended(models, tmp_path):
    stop, seen = Stop(), []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        stop.asked.set()

    record = enlarge(EXAMPLES / "cat.png", tmp_path / "out", parse({"scale": 8}), models, limits=Limits(), stop=stop,
                     progress=progress)  # fmt: skip
    assert (record.status, record.reason) == ("failed", "cancelled")
    assert len(seen) == 1
    for _ in range(50):  # the encoder removes its file in its own thread
        if not (tmp_path / "out").exists():
            break
        time.sleep(0.1)
    assert not (tmp_path / "out").exists()


def test_records_do_not_say_where_files_are(models, tmp_path):
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    record = without_folder(enlarge(text, None, parse({}), models, limits=Limits()), tmp_path)
    assert record.error == "notes.png is not a picture in a known format"
    assert record.input == "notes.png"


def test_what_has_no_effect_is_noted(models, tmp_path):
    record = enlarge(photo(tmp_path / "a.png"), None, parse({"model": "bicubic", "detail": 0.5}), models,
                     limits=Limits())  # fmt: skip
    assert record.notes == ("detail has no effect on bicubic",)
    with Image.open(record.output) as made:
        assert made.size == (96, 80)


@pytest.mark.parametrize("name", ["-", "."])
def test_only_files_are_taken(models, name):
    from pathlib import Path

    assert enlarge(Path(name), None, parse({}), models, limits=Limits()).reason == "usage"
