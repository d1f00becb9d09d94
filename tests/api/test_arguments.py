"""Wrong arguments: one sentence that carries the value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srcli import SrcliError, Target, Upscaler
from srcli.degrader import Degrader
from srcli.images.read import from_pil

GREY = Image.new("RGB", (16, 16), "grey")

LOADING = {
    "max_memory must be at least 1, not -1": {"max_memory": -1},
    "max_memory must be a whole number, not 1.5": {"max_memory": 1.5},
    "max_memory must be a whole number, not '2G'": {"max_memory": "2G"},
    "threads must be at least 1, not 0": {"threads": 0},
    "threads must be a whole number, not True": {"threads": True},
    "tile must be at least 0, not -16": {"tile": -16},
    "tile must be a whole number, not 64.5": {"tile": 64.5},
    "a tile has at least 16 pixels a side (0: chosen by memory), not 8": {"tile": 8},
    "device must be a name such as 'cuda:0', not 0": {"device": 0},
    "unknown device 'gpu'": {"device": "gpu"},
    "unknown precision 'fp8'": {"precision": "fp8"},
    "unknown precision 16": {"precision": 16},
    "model must be a name such as 'linf-lp-s', not 3": {"model": 3},
    "; of a file, use from_file": {"model": Path("flow.safetensors")},
}
CALLING = {
    "seed must be a whole number, not 1.5": {"seed": 1.5},
    "seed must be a whole number, not None": {"seed": None},
    "a seed cannot be negative, as -1 is": {"seed": -1},
    "detail must be a number, not 'high'": {"detail": "high"},
    "detail must be a number, not nan": {"detail": float("nan")},
    "detail goes from 0 to 1, with some models to 2, not 3": {"detail": 3},
    "temperature must be a number, not [1]": {"temperature": [1]},
    "steps must be a whole number, not 1.5": {"steps": 1.5},
    "steps go from 1 to 100, not 0": {"steps": 0},
    "unknown colour fix 'rgb'": {"colour": "rgb"},
    "unknown colour fix 3": {"colour": 3},
    "denoise must be a number, not 'no'": {"denoise": "no"},
    "repair or error, not 'ignore'": {"on_explode": "ignore"},
    "strict must be True or False, not 1": {"strict": 1},
    "scale must be a positive number, not '2'": {"scale": "2"},
    "scale must be a positive number, not True": {"scale": True},
    "scale must be a positive number, not nan": {"scale": float("nan")},
    "scale 9 is outside 1 to 8": {"scale": 9},
    "give either a scale or a target": {"scale": None},
    "target must be a srcli.Target, such as Target(width=3840), not '2x'": {"scale": None, "target": "2x"},
}
TARGETS = {
    "width must be a whole number, not 720.5": {"width": 720.5},
    "width must be a positive number, not '720'": {"width": "720"},
    "height must be a positive number, not 0": {"height": 0},
    "megapixels must be a positive number, not inf": {"megapixels": float("inf")},
    "give exactly one of": {},
}


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("linf-lp-s", precision="fp32")


def check(text: str, call) -> None:
    with pytest.raises(SrcliError) as caught:
        call()
    assert text in str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", LOADING)
def test_of_an_upscaler(text):
    check(text, lambda: Upscaler(**{"model": "bicubic"} | LOADING[text]))


@pytest.mark.parametrize("text", CALLING)
def test_of_a_call(upscaler, text):
    check(text, lambda: upscaler.upscale(GREY, **{"scale": 2} | CALLING[text]))


@pytest.mark.parametrize("text", TARGETS)
def test_of_a_target(text):
    check(text, lambda: Target(**TARGETS[text]))


@pytest.mark.parametrize(("name", "value"), [("threads", 0), ("max_memory", -5), ("max_memory", 0.5)])
def test_of_a_degrader(tiny_degflow, name, value):
    check(f"{name} must be", lambda: Degrader(tiny_degflow, **{name: value}))
    check(f"not {value}", lambda: Degrader(tiny_degflow, **{name: value}))


@pytest.mark.parametrize("model", ["linf-lp-s", "auto"])
@pytest.mark.parametrize("name", ["run", "stream"])
def test_of_whole_pictures(model, name):
    call = getattr(Upscaler(model, precision="fp32"), name)
    text = "expected a decoded picture, as srcli.images.read gives it, not 'a.png'"
    check(text, lambda: call("a.png", Target(scale=2)))
    check("target must be a srcli.Target, such as Target(width=3840), not 2", lambda: call(from_pil(GREY), 2))


def test_numbers_of_numpy_are_taken(upscaler):
    plain = np.asarray(upscaler.upscale(GREY, 2, seed=3, detail=0.5))
    given = upscaler.upscale(GREY, np.float32(2), seed=np.int64(3), detail=np.float64(0.5), steps=np.uint8(1))
    assert np.array_equal(np.asarray(given), plain)
    assert upscaler.upscale(GREY, target=Target(width=np.int64(40))).size == (40, 40)


def test_the_smallest_memory_is_taken():
    tiny = Upscaler("linf-lp-s", precision="fp32", max_memory=1)
    assert tiny.engine.budget < 2**10
    assert tiny.upscale(GREY, 2).size == (32, 32)
