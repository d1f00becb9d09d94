"""FlowSR at the size of Stable Diffusion in tiles: blended, each made once, of the noise and colours of the whole."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.geometry import Size, Window
from srcli.methods.flowsr import colour
from srcli.methods.flowsr_sd.model import bilinear_window
from srcli.methods.flowsr_sd.tiles import blended, even, flanks, offsets, published, spread
from srcli.tiling.model import Sampling
from tests.methods.flowsr_sd.steps import error, picture, plain


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.inference_mode():
        yield


SIZES = [(12, 12), (8, 200), (100, 93), (97, 300), (256, 257), (64, 144)]


@pytest.mark.parametrize("size", SIZES)
def test_blended_tiles_of_one_value_have_it(size):
    size = Size(*size)
    for step in (1, 8):
        full = Window(0, 0, size.height * step, size.width * step)
        grid = even(size, 96, 32, step)
        made = blended(grid, full, 2, lambda w: torch.full((1, 2, w.height, w.width), 0.7), torch.zeros(1))
        assert error(made, torch.full((1, 2, full.height, full.width), 0.7)) < 1e-6
        assert all(w.bottom <= full.height and w.right <= full.width for w in grid.windows(full))


def test_a_picture_that_fits_is_one_tile_and_others_are_few():
    assert list(even(Size(48, 192), 96, 32).windows(Window(0, 0, 48, 192))) == [Window(0, 0, 48, 192)]
    assert spread(257, 96, 32) == (0, 54, 107, 161)
    for size in range(97, 600):
        at = spread(size, 96, 32)
        assert (at[0], at[-1]) == (0, size - 96)
        assert len(at) <= len(offsets(size, 96, 32))
        assert all(32 <= a + 96 - b < 96 for a, b in pairwise(at))


def test_corners_keep_their_velocity_but_not_as_published():
    size = Size(128, 160)
    everything = Window.whole(size)

    def ones(window: Window) -> Tensor:
        return torch.ones(1, 1, window.height, window.width)

    ours, theirs = (
        blended(grid, everything, 1, ones, torch.zeros(1)) for grid in (even(size, 96, 32), published(size))
    )
    assert error(ours, torch.ones(1, 1, 128, 160)) < 1e-6
    assert theirs[0, 0, 0, 0] < 1e-4
    assert theirs[0, 0, 64, 80] == pytest.approx(1)
    assert flanks(96, 32).min() > 0.01


def test_a_step_between_tiles_becomes_a_slope():
    """Tiles that differ by 1 at every place: no neighbours differ by more than the flank's steepest rise."""
    size = Size(96, 160)
    places = {0: 0.0, 64: 1.0}
    made = blended(
        even(size, 96, 32),
        Window.whole(size),
        1,
        lambda w: torch.full((1, 1, w.height, w.width), places[w.left]),
        torch.zeros(1),
    )
    assert made.diff(dim=3).abs().max() < 0.06
    assert made.diff(dim=2).abs().max() < 1e-6


@pytest.mark.parametrize("fix", ["none", "wavelet", "adain"])
@pytest.mark.parametrize("shape", [(97, 71), (400, 31)])
def test_windows_change_nothing(fix, shape):
    lr, size, sampling = picture(*shape), Size(*(n * 2 for n in shape)), Sampling(colour=fix, steps=2, seed=4)
    model = plain(side=16)
    all_of_it = model.decode(model.encode(lr, size), Window.whole(size), size, sampling).picture
    features, made = model.encode(lr, size), torch.empty_like(all_of_it)
    for top in range(0, size.height, 70):
        for left in range(0, size.width, 90):
            window = Window(top, left, min(70, size.height - top), min(90, size.width - left))
            made[..., top : window.bottom, left : window.right] = model.decode(features, window, size, sampling).picture
    assert error(made, all_of_it) < 1e-6


def test_no_tile_is_larger_than_its_side_and_none_is_made_twice():
    lr, size, model = picture(300, 200), Size(600, 400), plain(side=16)
    features = model.encode(lr, size)
    for top in range(0, 600, 50):
        for left in range(0, 400, 100):
            model.decode(features, Window(top, left, 50, 100), size, Sampling(steps=2))
    sizes = Counter(model.vae.seen)
    assert set(model.unet.seen) == set(sizes) == {(16, 16)}
    codec = even(Size(80, 56), 16, 2)
    assert sizes[16, 16] == 2 * len(codec.rows) * len(codec.cols)  # each encoded and decoded once
    flow = even(Size(80, 56), 16, 5)
    assert len(model.unet.seen) == 2 * len(flow.rows) * len(flow.cols)
    assert features.restored is not None
    assert len(features.restored.tiles) <= 2 * len(codec.cols)  # those above the last window are gone


def test_the_seed_decides_and_temperature_0_is_the_mean():
    lr, size, model = picture(40, 50), Size(120, 150), plain()

    def made(**options) -> Tensor:
        return model.decode(
            model.encode(lr, size), Window.whole(size), size, Sampling(colour="none", **options)
        ).picture

    assert torch.equal(made(seed=3), made(seed=3))
    assert torch.equal(made(seed=3), made(seed=3, temperature=1.0))
    assert not torch.equal(made(seed=3), made(seed=4))
    assert torch.equal(made(seed=3, temperature=0.0), made(seed=4, temperature=0.0))
    features = model.encode(lr, size)
    sampled = [
        model.decode(features, Window.whole(size), size, Sampling(colour="none", seed=n)).picture for n in (3, 4, 3)
    ]
    assert torch.equal(sampled[0], sampled[2])
    assert torch.equal(sampled[1], made(seed=4))


def test_detail_0_is_the_enlargement_and_asks_no_network():
    lr, size, model = picture(20, 30), Size(50, 75), plain()

    def made(detail: float) -> Tensor:
        sampling = Sampling(detail=detail, colour="none")
        return model.decode(model.encode(lr, size), Window(10, 5, 33, 60), size, sampling).picture

    none = made(0.0)
    assert not model.unet.seen
    assert not model.vae.seen
    assert error(made(0.25), none * 0.75 + made(1.0) * 0.25) < 1e-6
    assert error(made(1.0), none) > 0.01


def test_wavelet_takes_the_colours_of_the_input():
    lr, size, model = picture(60, 60) * 0.1 + torch.tensor([0.2, 0.5, 0.7])[:, None, None], Size(180, 180), plain()
    fixed, free = (
        model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(colour=fix)).picture
        for fix in (None, "none")
    )
    wanted = lr.mean((2, 3))
    assert error(fixed.mean((2, 3)), wanted) < 5e-3
    assert error(free.mean((2, 3)), wanted) > 0.02


def test_moments_of_parts_are_those_of_the_whole():
    image, reference = picture(50, 70, 1), picture(50, 70, 2) * 0.3
    made, wanted = colour.Moments(), colour.Moments()
    for part in image.split(17, 2):
        made.add(part)
    wanted.add(reference)
    fix = made.tint(wanted, torch.device("cpu"))
    assert error(fix(image), colour.tint(image, reference)(image)) < 1e-6


@pytest.mark.parametrize("size", [(70, 130), (64, 128), (5, 300), (1, 1)])
def test_pictures_are_mirrored_to_whole_blocks_or_repeated(size):
    lr = picture(max(1, size[0] // 2), max(1, size[1] // 2))
    made = F.interpolate(lr, size, mode="bilinear", align_corners=False) * 2 - 1
    for side, dim in ((3, 3), (2, 2)):
        missing = -size[side - 2] % 64
        padding = [0, missing, 0, 0] if dim == 3 else [0, 0, 0, missing]
        made = F.pad(made, padding, "reflect" if missing < size[side - 2] else "replicate")
    canvas = Size(*made.shape[-2:])
    assert error(bilinear_window(lr, Window.whole(canvas), Size(*size)), made) < 1e-6
    corner = Window(canvas.height - 24, canvas.width - 40, 24, 40)
    assert error(bilinear_window(lr, corner, Size(*size)), made[..., -24:, -40:]) < 1e-6
