"""What a prompt and a notebook show."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from srcli import Target, Upscaler
from srcli.images.picture import Picture
from srcli.images.read import decode


def test_an_upscaler_says_what_it_is():
    upscaler = Upscaler("linf-lp", device="cpu", precision="fp32")
    assert repr(upscaler) == "Upscaler('linf-lp-s', device='cpu', precision='fp32')"
    assert repr(Upscaler(precision="fp32", device="cpu")) == "Upscaler('auto', device='cpu', precision='fp32')"


def test_an_upscaler_has_a_card():
    page = Upscaler("flowmap-s", precision="fp32")._repr_html_()
    for text in ("flowmap-s: ", "<th>scales</th><td>1 to 8</td>", "detail, steps, colour", "cpu in fp32"):
        assert text in page
    auto = Upscaler()
    assert f"(picks from {', '.join(auto.choices)})" in auto._repr_html_()


def test_a_picture_says_its_size_not_its_pixels():
    assert repr(Picture(np.zeros((20, 30, 3), np.uint16))) == "Picture(30x20, RGB, 16 bits)"
    grey = Picture(np.zeros((20, 30, 1), np.uint8), alpha=np.zeros((20, 30), np.uint8))
    assert repr(grey) == "Picture(30x20, grey with alpha, 8 bits)"


def test_pictures_and_results_have_a_preview():
    ramp = np.linspace(0, 65535, 3000).astype(np.uint16)[None, :, None].repeat(900, 0).repeat(3, 2)
    shown = Image.open(io.BytesIO(Picture(ramp)._repr_png_()))
    assert shown.size == (1024, 307)
    assert np.ptp(np.asarray(shown)) > 250
    result = Upscaler("bicubic").run(Picture(np.full((20, 30, 1), 99, np.uint8)), Target(scale=2))
    assert repr(result).startswith("Upscaled(picture=Picture(60x40, grey, 8 bits), seconds=")
    assert np.array_equal(decode(result._repr_png_()).colour, result.picture.colour)
