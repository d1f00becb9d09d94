"""Blocks of networks of unknown reach: no seams, and no traces of tiles."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srcli.geometry import Size, Window
from srcli.methods.spandrel import library
from srcli.methods.spandrel.model import WHOLE, SpandrelModel, _blocks, _share
from srcli.methods.spandrel.network import SpandrelNet
from srcli.tiling.model import Sampling
from tests.methods.spandrel import steps
from tests.support.tiles import in_tiles

pytest.importorskip("einops", reason="needs the extra spandrel")
if not library.installed():
    pytest.skip("needs the extra spandrel", allow_module_level=True)


@pytest.fixture(scope="module")
def model():
    network = SpandrelNet("PLKSR")
    network.load_state_dict(steps.plksr().state_dict())
    return SpandrelModel(network.eval())


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 3000), scale=st.integers(1, 4))
def test_shares_add_up_to_one(length, scale):
    blocks = _blocks(length)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == length
    total = sum(_share(0, length * scale, start, end, length, scale) for start, end in blocks)
    assert torch.allclose(total, torch.ones_like(total))


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def whole(model, lr, size):
    with torch.inference_mode():
        return model.decode(model.encode(lr, size), Window.whole(size), size, Sampling()).picture


def test_one_block_is_the_network(model):
    lr = picture(WHOLE, 40)
    with torch.inference_mode():
        assert torch.equal(whole(model, lr, Size(2 * WHOLE, 80)), steps.plksr()(lr).clamp(0, 1))


def test_blocks_are_the_network_where_it_does_not_see_far(model):
    """Two blocks of 9x9 kernels see less than the halo."""
    lr = picture(50, 450)
    with torch.inference_mode():
        wanted = steps.plksr()(lr).clamp(0, 1)
    assert (whole(model, lr, Size(100, 900)) - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("scale", [2, 1.3])
def test_tiles_leave_no_trace(model, scale):
    lr = picture(300, 40)
    size = Size(int(300 * scale), int(40 * scale))
    with torch.inference_mode():
        tiled = in_tiles(model, lr, size, Size(130, 50), Sampling())
    assert (tiled - whole(model, lr, size)).abs().max() < 1e-6
