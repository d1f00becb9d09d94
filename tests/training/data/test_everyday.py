"""What people bring: samples reproduce, show one place, and graphics show something."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from srcli.training.data.everyday import Mix, described, sample
from srcli.training.data.graphics import SHARES, graphic
from srcli.training.data.photos import Photos, TrainingDataError
from tests.support.places import EXAMPLES

SIDE = 96


@pytest.fixture(scope="module")
def photos() -> Photos:
    return Photos(EXAMPLES, shortest=SIDE)


def test_the_same_state_gives_the_same_sample(photos):
    for seed in range(12):
        one, same = (sample(photos, np.random.default_rng(seed), SIDE) for _ in range(2))
        assert (one.kind, one.scale) == (same.kind, same.scale)
        assert np.array_equal(one.small, same.small)
        assert (one.truth is None and same.truth is None) or np.array_equal(one.truth, same.truth)


def test_samples_are_what_the_mix_says(photos):
    rng = np.random.default_rng(0)
    mix = Mix(graphics=0.3, pictures=0.3, scales=((4, 1), (2, 1), (1, 1)), any_scale=1)
    samples = [sample(photos, rng, SIDE, mix) for _ in range(160)]
    kinds = Counter(s.kind for s in samples)
    assert set(kinds) == {"photo", "picture", "graphic"}
    assert all(25 < count < 85 for count in kinds.values())
    for one in samples:
        n = round(SIDE / one.scale)
        assert one.small.dtype == np.uint8
        assert one.small.shape == (n, n, 3)
        assert one.scale == pytest.approx(SIDE / n)
        assert 1 <= one.scale <= 8
        assert (one.truth is None) == (one.kind == "picture")
        assert one.truth is None or (one.truth.shape == (SIDE, SIDE, 3) and one.truth.dtype == np.uint8)
    whole = Counter(s.scale for s in samples)
    assert all(whole[scale] > 15 for scale in (4, 2, 1))
    assert sum(count for scale, count in whole.items() if scale not in (4, 2, 1)) > 15
    assert max(s.scale for s in samples) > 5


def test_small_pictures_lie_where_the_truth_does(photos):
    rng, mix = np.random.default_rng(1), Mix(graphics=0.4, pictures=0, scales=((2, 1),), any_scale=0, heavy=0)
    samples = [sample(photos, rng, SIDE, mix) for _ in range(60)]

    def error(dy: int, dx: int) -> float:
        total = 0.0
        for one in samples:
            large = np.asarray(Image.fromarray(one.small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            shifted = np.roll(one.truth, (dy, dx), (0, 1))
            total += float(((large.astype(float) - shifted)[6:-6, 6:-6] ** 2).mean())
        return total

    around = {(dy, dx): error(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert min(around, key=around.__getitem__) == (0, 0)


def test_words_say_the_operations(photos):
    rng, mix = np.random.default_rng(3), Mix(graphics=0, pictures=0, clean=0, light=0, moderate=1, heavy=0)
    words = [described(photos, rng, SIDE, mix).words for _ in range(30)]
    assert all(text.startswith("photo, moderate: ") for text in words)
    assert any("JPEG" in text for text in words)
    clean = Mix(graphics=0, pictures=0, scales=((1, 1),), any_scale=0, clean=1, light=0, moderate=0, heavy=0)
    one = described(photos, rng, SIDE, clean)
    assert one.words == "photo, clean: unchanged"
    assert np.array_equal(one.sample.small, one.sample.truth)


@pytest.mark.parametrize(
    "wrong",
    [{"graphics": 0.7, "pictures": 0.4}, {"scales": ((9, 1),)}, {"any_scale": -1}, {"graphics": -0.1},
     {"clean": 0, "light": 0, "moderate": 0, "heavy": 0}],
)  # fmt: skip
def test_a_mix_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"shares|scales|weights"):
        Mix(**wrong)


def test_photos_that_are_too_small_are_an_error(photos):
    with pytest.raises(TrainingDataError, match="less than 5000 pixels"):
        sample(photos, np.random.default_rng(0), 5000, Mix(graphics=0, pictures=0))


@pytest.mark.parametrize("side", [24, 120])
def test_graphics_are_never_blank_and_of_every_kind(side):
    rng, kinds = np.random.default_rng(2), set()
    for _ in range(200):
        image, kind = graphic(rng, side)
        assert image.shape == (side, side, 3)
        assert image.dtype == np.uint8
        assert image.mean(2).std() >= 1
        kinds.add(kind)
    assert "noise" not in kinds
    assert len(kinds) == np.count_nonzero(SHARES)
