"""Tiles cover a picture once and fit the memory; the noise of all of them is one field."""

from __future__ import annotations

from itertools import chain

import torch
from hypothesis import given
from hypothesis import strategies as st

from srcli.geometry import Size, Window
from srcli.tiling.model import gaussian_field
from srcli.tiling.tiles import fit_tile, strips


def test_noise_is_one_field():
    whole = gaussian_field(7, 5, Window(0, 0, 200, 150))
    assert torch.equal(gaussian_field(7, 5, Window(37, 61, 90, 80)), whole[:, 37:127, 61:141])
    assert not torch.equal(gaussian_field(8, 5, Window(0, 0, 200, 150)), whole)
    assert abs(whole.mean()) < 0.01
    assert abs(whole.std() - 1) < 0.01


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(10_000, 10_000_000))
def test_tiles_cover_the_output_once_and_fit(height, width, budget):
    size = Size(height, width)
    tile = fit_tile(size, lambda h, w: h * w * 10, budget)
    assert tile.height * tile.width * 10 <= budget or max(tile.height, tile.width) <= 64
    assert sum(w.height * w.width for w in chain.from_iterable(strips(size, tile))) == height * width
    assert max(w.bottom for w in chain.from_iterable(strips(size, tile))) == height
