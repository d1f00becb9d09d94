"""Many pictures: in order, read ahead, and each failure with its name."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import ItemError, PictureWarning, Upscaler
from srcli.api import calls
from srcli.geometry import TargetError
from srcli.images import ImageError
from srcli.tiling.guard import Unfaithful
from tests.support.places import EXAMPLES

CAT = Image.open(EXAMPLES / "cat.png").convert("RGB")
PARTS = [CAT.crop((20 * n, 30, 20 * n + 40, 62 + n)) for n in range(5)]


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("linf-lp-s", precision="fp32")


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    found = [tmp_path / f"{n}.png" for n in range(len(PARTS))]
    for path, part in zip(found, PARTS, strict=True):
        part.save(path)
    return found


@pytest.mark.parametrize("ahead", [0, 1, 7])
def test_results_are_those_of_one_by_one_in_order(upscaler, paths, ahead):
    made = list(upscaler.upscale_many(paths, 1.5, ahead=ahead))
    assert len(made) == len(paths)
    for result, part in zip(made, PARTS, strict=True):
        assert np.array_equal(np.asarray(result), np.asarray(upscaler.upscale(part, 1.5)))


def test_kinds_can_be_mixed(upscaler, paths):
    mixed = [paths[0], paths[1].read_bytes(), PARTS[2], np.asarray(PARTS[3]), torch.zeros(2, 3, 20, 20)]
    made = list(upscaler.upscale_many(mixed, 2))
    assert [type(each).__name__ for each in made] == ["Image", "Image", "Image", "ndarray", "Tensor"]
    assert list(upscaler.upscale_many([], 2)) == []


def test_the_next_picture_is_read_while_one_is_computed(upscaler, paths, monkeypatch):
    read = [threading.Event() for _ in paths]
    bring, run = calls.bring, upscaler.run
    seen = []

    def bringing(image):
        read[paths.index(image)].set()
        return bring(image)

    def running(*arguments):
        number = len(seen)
        seen.append(number + 1 == len(paths) or read[number + 1].wait(20))
        return run(*arguments)

    monkeypatch.setattr(calls, "bring", bringing)
    monkeypatch.setattr(upscaler, "run", running)
    assert len(list(upscaler.upscale_many(paths, 1.5, ahead=1))) == 5
    assert seen == [True] * 5


def test_no_more_are_asked_for_than_said(upscaler):
    asked = []

    def pictures():
        for number, part in enumerate(PARTS):
            asked.append(number)
            yield part

    results = upscaler.upscale_many(pictures(), 1.5, ahead=1)
    assert asked == []
    next(results)
    assert asked == [0, 1]
    next(results)
    assert asked == [0, 1, 2]
    results.close()
    assert asked == [0, 1, 2]


def test_a_failure_names_its_item_after_the_results_before_it(upscaler, paths):
    paths[2].write_bytes(paths[2].read_bytes()[:300])
    results = upscaler.upscale_many(paths, 1.5)
    assert [next(results).size, next(results).size] == [(60, 48), (60, 50)]
    with pytest.raises(ItemError) as caught:
        next(results)
    error = caught.value
    assert (error.index, error.item) == (2, paths[2])
    assert isinstance(error.error, ImageError)
    assert error.__cause__ is error.error
    assert str(error).startswith(f"item 2: {paths[2]} is damaged")
    assert list(results) == []


def test_failures_can_take_the_place_of_results(upscaler, paths):
    items = [paths[0], "missing.png", np.zeros((4, 4)), paths[3]]
    made = list(upscaler.upscale_many(items, 1.5, on_error="return"))
    assert [type(each).__name__ for each in made] == ["Image", "ItemError", "ItemError", "Image"]
    assert str(made[1]) == "item 1: missing.png does not exist"
    assert str(made[2]).startswith("item 2: expected an array of uint8")
    assert made[2].item is items[2]


def test_failures_of_the_model_name_the_file(upscaler, paths, monkeypatch):
    def refused(*_):
        raise Unfaithful("the result does not match")

    monkeypatch.setattr(upscaler, "run", refused)
    with pytest.raises(ItemError, match=r"item 0 \(.*0\.png\): the result does not match"):
        next(upscaler.upscale_many(paths, 2))
    with Image.open(paths[1]) as opened, pytest.raises(ItemError, match=r"item 0 \(.*1\.png\): the result"):
        next(upscaler.upscale_many([opened], 2))


def test_an_error_of_the_iterator_comes_after_the_pictures_before_it(upscaler):
    def pictures():
        yield from PARTS[:2]
        raise OSError("the camera is gone")

    results = upscaler.upscale_many(pictures(), 1.5, ahead=3, on_error="return")
    assert [next(results).size, next(results).size] == [(60, 48), (60, 50)]
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)


def test_errors_that_are_no_pictures_fault_are_not_returned(upscaler, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(upscaler, "run", broken)
    with pytest.raises(ZeroDivisionError):
        list(upscaler.upscale_many(PARTS, 2, on_error="return"))


WRONG = {
    "upscale_many takes several pictures; use upscale for 'a.png'": (["a.png"], {}),
    "use upscale for PosixPath": ([Path("a.png")], {}),
    "use upscale for b'abc'": ([b"abc"], {}),
    "upscale_many takes an iterable of pictures, not 3": ([3], {}),
    "on_error must be 'raise' or 'return', not 'skip'": ([PARTS], {"on_error": "skip"}),
    "ahead must be at least 0, not -1": ([PARTS], {"ahead": -1}),
    "ahead must be a whole number, not 1.5": ([PARTS], {"ahead": 1.5}),
    "seed must be a whole number, not 1.5": ([PARTS], {"seed": 1.5}),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_arguments_are_told_at_once(upscaler, text):
    (images,), more = WRONG[text]
    with pytest.raises(Exception, match=text.replace("(", r"\(")) as caught:
        upscaler.upscale_many(images, 2, **more)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("size", [{"scale": 20}, {}, {"scale": 2, "target": 3}, {"target": "2x"}])
def test_wrong_sizes_are_told_at_once(upscaler, size):
    with pytest.raises(TargetError):
        upscaler.upscale_many(PARTS, **size)


def test_what_a_picture_loses_is_told_where_its_result_is_taken(upscaler):
    results = upscaler.upscale_many([PARTS[0].convert("CMYK")], 1.5)
    with pytest.warns(PictureWarning, match="CMYK") as told:
        next(results)
    assert told[0].filename == __file__
