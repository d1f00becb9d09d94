"""Crops are a function of seed and step, and all that is drawn of them shows the same place."""

from __future__ import annotations

import pytest
import torch

from srcli.methods.linf.training import queries_of
from srcli.resampling import bilinear
from srcli.training.data.photos import CropSpec, Photos, draw_batch
from tests.support.places import EXAMPLES


def test_a_batch_is_a_function_of_seed_and_step():
    photos, spec = Photos(EXAMPLES), CropSpec(batch=2, crop=24, windows=2, window=8)
    one, same, other = (draw_batch(photos, spec, 1, step) for step in (5, 5, 6))
    assert torch.equal(one.lr, same.lr)
    assert torch.equal(queries_of(one, 3).y, queries_of(same, 3).y)
    assert one.windows == same.windows
    assert not torch.equal(one.lr, other.lr)


def test_queries_and_base_look_at_the_same_place():
    # The bilinear base at a patch's centre pixel is the weighted sum of the LR pixels that its query names.
    spec = CropSpec(batch=4, crop=24, scales=(1.3, 4.0), windows=2, window=10)
    batch = draw_batch(Photos(EXAMPLES), spec, 0, 0)
    table = batch.lr.permute(0, 2, 3, 1).reshape(-1, 3)
    queries = queries_of(batch, 3)
    near = (table[queries.index] * queries.weight[..., None]).sum((3, 4)).reshape(-1, 3)
    pairs = zip(batch.lr, batch.photos, strict=True)
    base = batch.cut([bilinear(lr[None], photo.shape[-2:])[0] for lr, photo in pairs])
    centres = base[:, :, 1::3, 1::3].permute(0, 2, 3, 1).reshape(-1, 3)
    torch.testing.assert_close(near, centres, atol=2e-6, rtol=0)


def test_crop_and_photo_show_the_same_place():
    # Shifting the photo by one pixel in any direction must make it less like the enlarged crop.
    spec = CropSpec(batch=8, crop=24, scales=(2.0, 3.0), windows=3, window=14)
    batch = draw_batch(Photos(EXAMPLES), spec, 0, 0)

    def error(dy: int, dx: int) -> float:
        pairs = zip(batch.lr, batch.photos, strict=True)
        errors = [bilinear(lr[None], hr.shape[-2:])[0] - hr.roll((dy, dx), (1, 2)) for lr, hr in pairs]
        return sum(e[:, 2:-2, 2:-2].square().mean().item() for e in errors)

    around = {(dy, dx): error(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert min(around, key=around.__getitem__) == (0, 0)
    # A systematic half-pixel shift would favour one side.
    assert around[0, 1] == pytest.approx(around[0, -1], rel=0.25)
    assert around[1, 0] == pytest.approx(around[-1, 0], rel=0.25)
