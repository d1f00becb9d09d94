"""Models of published checkpoints: the same picture in tiles, and what their authors' scripts do at borders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from srcli.geometry import Size, Target
from srcli.images.read import from_pil
from srcli.methods.linf.official import OfficialLinf
from srcli.methods.registry import assemble
from srcli.methods.rrdb.model import RrdbModel
from srcli.methods.srflow.official import OfficialSRFlow
from srcli.methods.srflow.published_model import PublishedSRFlow
from srcli.tiling.model import Sampling
from srcli.tiling.strips import OutOfMemory
from tests.support.layouts import ENCODERS, PRIORS, SRFLOW, UNET, linf, network
from tests.support.tiles import decoded_in_tiles, whole


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def grey(low: tuple[int, int]) -> Tensor:
    return 0.5 + 0.05 * torch.randn(1, 3, *low, generator=torch.Generator().manual_seed(low[0]))


def official_linf(encoder: str, patch: int, prior: str | None = None) -> OfficialLinf:
    second = None if prior is None else network(PRIORS[prior] | {"channels": 3 * patch**2}, 1)
    return OfficialLinf(network(linf(encoder, patch)), second)


LINFS = {
    **{f"{e} {p}": official_linf(e, p) for e in ENCODERS for p in (1, 3)},
    "unet 3": official_linf("edsr", 3, "unet"),
    "unet 1": official_linf("edsr", 1, "unet"),
    "swin swinir": official_linf("swinir", 3, "swin_latent"),
}
SRFLOWS = {
    "srflow x4": PublishedSRFlow(network(SRFLOW)),
    "srflow x8": PublishedSRFlow(network(SRFLOW | {"scale": 8})),
    "srflow-lp": PublishedSRFlow(network(SRFLOW), network(UNET, 1)),
}
RRDBS = {
    f"rrdb x{2**n}": RrdbModel(
        network({"kind": "srflow-rrdb", "blocks": 2, "features": 8, "growth": 4, "upsampling": n})
    )
    for n in (2, 3)
}


@pytest.mark.parametrize("name", LINFS)
@settings(max_examples=5, deadline=None)
@given(
    low=st.tuples(st.integers(12, 100), st.integers(12, 60)),
    size=st.tuples(st.integers(60, 160), st.integers(60, 160)),
    tile=st.tuples(st.integers(16, 150), st.integers(16, 150)),
    sampling=st.sampled_from([Sampling(), Sampling(temperature=0.7, seed=3), Sampling(detail=0, temperature=0.4)]),
)
def test_official_linf_tiles_exactly(name, low, size, tile, sampling):
    with torch.no_grad():
        lr, size = grey(low), Size(*(max(n, m) for n, m in zip(low, size, strict=True)))
        made = decoded_in_tiles(LINFS[name], lr, size, Size(*tile), sampling)
        assert made.exploded == 0
        torch.testing.assert_close(made.picture, whole(LINFS[name], lr, size, sampling), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", SRFLOWS | RRDBS)
@settings(max_examples=4, deadline=None)
@given(
    low=st.tuples(st.integers(16, 60), st.integers(16, 60)),
    share=st.sampled_from([1.0, 0.8, 0.4]),
    tile=st.tuples(st.integers(40, 150), st.integers(40, 150)),
    sampling=st.sampled_from([Sampling(), Sampling(temperature=0.4, seed=3), Sampling(detail=0, temperature=0.0)]),
)
def test_fixed_scales_tile_exactly(name, low, share, tile, sampling):
    with torch.no_grad():
        model = (SRFLOWS | RRDBS)[name]
        lr, size = grey(low), Size(*(max(n, round(n * share * model.scales.high)) for n in low))
        tiled, expected = decoded_in_tiles(model, lr, size, Size(*tile), sampling), whole(model, lr, size, sampling)
        assert tiled.exploded == 0
        made = tiled.picture
        # Truncation to 8 bits makes a step of what is a rounding error.
        step = 1 / 255 + 1e-6 if share == 1 and name in SRFLOWS else 0
        assert (made - expected).abs().max() <= step + 2e-4
        assert ((made - expected).abs() > 2e-4).float().mean() < 1e-3


def test_latents_of_the_upsampled_picture_are_made_in_windows(monkeypatch):
    model, lr = SRFLOWS["srflow-lp"], grey((26, 34))
    expected = OfficialSRFlow(model.flow).initial(lr)
    monkeypatch.setattr("srcli.methods.srflow.published_model.LEVEL_BLOCK", 7)
    for made, whole_one in zip(model._initial(lr, model.flow.features(lr)), expected, strict=True):
        torch.testing.assert_close(made, whole_one, atol=1e-5, rtol=1e-4)


def test_rrdb_is_the_published_network():
    # Long skip from the last block, nearest doublings, 0.2 below zero.
    net, lr = RRDBS["rrdb x4"].network, grey((10, 12))
    h = net.RRDB_trunk(net.conv_first(lr))
    h = h + net.trunk_conv(h)
    for conv in (net.upconv1, net.upconv2):
        h = F.leaky_relu(conv(F.interpolate(h, scale_factor=2, mode="nearest")), 0.2)
    expected = net.conv_last(F.leaky_relu(net.HRconv(h), 0.2))
    torch.testing.assert_close(whole(RRDBS["rrdb x4"], lr, Size(40, 48), Sampling()), expected, atol=1e-5, rtol=0)


def test_swinir_sees_the_mirrored_picture():
    # The script flips up to the next multiple of 8, always by at least a pixel, and asks for the upper left part.
    model, lr = LINFS["swinir 1"], grey((16, 21))
    twice = torch.cat([lr, lr.flip(2)], 2)
    padded = torch.cat([twice, twice.flip(3)], 3)[..., :24, :24]
    maps = model.encode(lr, Size(48, 63)).maps
    torch.testing.assert_close(maps, model.linf.encode(padded * 2 - 1))
    clean = OfficialLinf(model.linf)
    clean.window = 0
    expected = whole(clean, padded, Size(72, 72), Sampling())[..., :48, :63]
    made = whole(model, lr, Size(48, 63), Sampling())
    # The script gives the cell of the unpadded output, which differs: so far apart, and no farther.
    grid, other = model._grid(Size(48, 63), Size(16, 21)), clean._grid(Size(72, 72), Size(24, 24))
    assert torch.equal(grid.rows, other.rows[:48])
    assert torch.equal(grid.cols, other.cols[:63])
    assert (made - expected).abs().max() < 0.2


def test_a_picture_that_must_be_seen_whole_is_encoded_once(monkeypatch):
    from srcli import Upscaler, runtime

    upscaler = Upscaler("linf-lp-s", precision="fp32", tile=32)
    model = assemble("linf-official", {"flow": LINFS["unet 3"].linf, "prior": LINFS["unet 3"].prior})
    upscaler.engine.model, upscaler.engine.budget = model, 1
    calls, encode = [], model.encode
    monkeypatch.setattr(model, "encode", lambda *a: calls.append(a) or encode(*a))
    from PIL import Image

    picture = from_pil(Image.fromarray(np.full((40, 40, 3), 128, np.uint8)))
    made = upscaler.run(picture, Target(scale=3))
    assert made.tiles > 4
    assert len(calls) == 1
    monkeypatch.setattr(runtime, "free_memory", lambda: 2**20)
    with pytest.raises(OutOfMemory, match="as a whole"):
        upscaler.run(picture, Target(scale=3))
