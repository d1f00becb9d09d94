"""Tiles have the bits of the whole, and the fast path computes what the definition says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srcli.geometry import Size, Window
from srcli.methods.linf.anchors import Anchors
from srcli.methods.linf.flow import Flow
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.network import LINF
from srcli.methods.linf.queries import grid_queries, patch_centres
from srcli.methods.registry import build
from srcli.networks.notch import Notch
from srcli.networks.patches import from_patches
from srcli.resampling import linear_taps
from srcli.tiling.model import Sampling
from tests.support.tiles import in_tiles

CHOICES = [Sampling(), Sampling(detail=0.5), Sampling(detail=0.0), Sampling(detail=0.0, temperature=0.7, seed=3)]


def tiny_model(centred: bool) -> LinfModel:
    torch.manual_seed(0)
    encoder = {"kind": "edsr", "blocks": 2, "features": 48}
    flow = {"flow_layers": 3, "patch": 3, "anchors": [2, 3, 4], "centred": centred}
    linf = build({"kind": "linf", "encoder": encoder, "hidden": 96} | flow)
    prior = build({"kind": "grid-prior", "hidden": 96, "coarse": 1})
    for layer in (prior.out, linf.layers[-1], *linf.anchors.children()):
        torch.nn.init.normal_(layer.weight, std=0.05)
    frozen = (net.eval().requires_grad_(False).to(memory_format=torch.channels_last) for net in (linf, prior))
    return LinfModel(*frozen)


MODEL, CENTRED = tiny_model(False), tiny_model(True)


@settings(max_examples=40, deadline=None)
@given(
    low=st.tuples(st.integers(1, 110), st.integers(1, 110)),
    scale=st.tuples(st.floats(1, 8), st.floats(1, 8)),
    tile=st.tuples(st.integers(16, 300), st.integers(16, 300)),
    sampling=st.sampled_from(CHOICES),
    model=st.sampled_from([MODEL, CENTRED]),
)
def test_tiled_equals_whole_to_the_bit(low, scale, tile, sampling, model):
    size = Size(*(max(1, round(n * min(s, 360 / n))) for n, s in zip(low, scale, strict=True)))
    lr = torch.rand(1, 3, *low, generator=torch.Generator().manual_seed(low[0]))
    with torch.inference_mode():
        whole = model.decode(model.encode(lr, size), Window.whole(size), size, sampling).picture
        assert torch.equal(in_tiles(model, lr, size, Size(*tile), sampling), whole)


@pytest.mark.parametrize("low", [(1, 1), (1, 90), (200, 1), (2, 300)])
def test_thin_pictures_tile_exactly(low):
    size = Size(low[0] * 3, low[1] * 3)
    lr = torch.rand(1, 3, *low)
    with torch.inference_mode():
        whole = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, Sampling()).picture
        assert torch.equal(in_tiles(MODEL, lr, size, Size(64, 64), Sampling()), whole)
    assert torch.isfinite(whole).all()


def test_clean_mean_is_the_upsampling_and_the_inverse_of_zero():
    lr, size = torch.rand(1, 3, 20, 23), Size(70, 81)
    linf = MODEL.linf
    with torch.inference_mode():
        fast = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, Sampling(detail=0)).picture
        rows = linear_taps(patch_centres(0, 24, 3), 20, 70)
        cols = linear_taps(patch_centres(0, 27, 3), 23, 81)
        queries = grid_queries([rows], [cols], (20, 23))
        _, condition = linf.condition(linf.fourier(linf.encode(lr * 2 - 1), queries))
        x = linf.imnet.inverse(torch.zeros(len(condition), 27), condition)
        residual = from_patches(Notch(3)(x.view(1, 24, 27, 27)).permute(0, 3, 1, 2), 3)[..., :70, :81]
        residuals = linf.anchors(linf.encoder(lr * 2 - 1), linf.anchors.shares(3.5))
        slow = linf.anchors.picture(lr, residuals, (70, 81)) + residual / 2
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)


def test_centred_flow_is_a_gaussian_around_the_upsampling():
    torch.manual_seed(2)
    flow = Flow(layers=3, patch=1, centred=True).double()
    condition, z = torch.randn(4, flow.conditions).double(), 0.1 * torch.randn(4, 3).double()
    x, opposite = flow.inverse(z, condition), flow.inverse(-z, condition)
    torch.testing.assert_close(x, -opposite)
    torch.testing.assert_close(flow.forward(x, condition)[0], z)
    lr, size = torch.rand(1, 3, 20, 23), Size(70, 81)
    linf = CENTRED.linf
    with torch.inference_mode():
        made = CENTRED.decode(CENTRED.encode(lr, size), Window.whole(size), size, Sampling(detail=0)).picture
        residuals = linf.anchors(linf.encoder(lr * 2 - 1), linf.anchors.shares(3.5))
    torch.testing.assert_close(made, linf.anchors.picture(lr, residuals, (70, 81)), atol=1e-5, rtol=0)


@given(st.floats(1, 8))
def test_anchors_share_a_scale_without_a_jump(scale):
    anchors = Anchors(4, (4, 2, 3))
    shares = anchors.shares(scale)
    assert sum(shares.values()) == pytest.approx(1)
    if 2 <= scale <= 4:
        assert sum(factor * share for factor, share in shares.items()) == pytest.approx(scale)
    else:
        assert shares == {2 if scale < 2 else 4: 1.0}
    assert Anchors(4).shares(scale) == {}


def test_radius_is_what_the_encoder_sees():
    linf = MODEL.linf
    assert isinstance(linf, LINF)
    image = torch.zeros(1, 3, 41, 41)
    with torch.inference_mode():
        moved = image.clone()
        moved[..., 20, 20] = 1
        change = (linf.encode(moved) - linf.encode(image)).abs().amax((0, 1)) > 0
    rows = change.any(1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (20 - linf.radius, 20 + linf.radius)
