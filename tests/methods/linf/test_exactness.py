"""Tiles have the bits of the whole, and the fast path computes what the definition says."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from srcli.geometry import Size, Window
from srcli.methods.build import build
from srcli.methods.linf.anchors import Anchors
from srcli.methods.linf.flow import RESIDUAL, STRETCH, FixedFlow, Flow
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.network import LINF
from srcli.methods.linf.queries import grid_queries, patch_centres
from srcli.networks.notch import Notch
from srcli.networks.patches import from_patches, to_patches
from srcli.resampling import interpolate, linear_taps
from srcli.tiling.model import Sampling, gaussian_field
from srcli.tiling.tiles import fit_tile, strips
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
        whole = model.decode(model.encode(lr, size), Window.whole(size), size, sampling)
        assert torch.equal(in_tiles(model, lr, size, Size(*tile), sampling), whole)


@pytest.mark.parametrize("low", [(1, 1), (1, 90), (200, 1), (2, 300)])
def test_thin_pictures_tile_exactly(low):
    size = Size(low[0] * 3, low[1] * 3)
    lr = torch.rand(1, 3, *low)
    with torch.inference_mode():
        whole = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, Sampling())
        assert torch.equal(in_tiles(MODEL, lr, size, Size(64, 64), Sampling()), whole)
    assert torch.isfinite(whole).all()


def test_clean_mean_is_the_upsampling_and_the_inverse_of_zero():
    lr, size = torch.rand(1, 3, 20, 23), Size(70, 81)
    linf = MODEL.linf
    with torch.inference_mode():
        fast = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, Sampling(detail=0))
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
        made = CENTRED.decode(CENTRED.encode(lr, size), Window.whole(size), size, Sampling(detail=0))
        residuals = linf.anchors(linf.encoder(lr * 2 - 1), linf.anchors.shares(3.5))
    torch.testing.assert_close(made, linf.anchors.picture(lr, residuals, (70, 81)), atol=1e-5, rtol=0)


def patches_of(image: torch.Tensor) -> torch.Tensor:
    return to_patches(image[None], 3).permute(0, 2, 3, 1)


def test_notch_takes_out_the_patch_grid_and_leaves_edges_and_texture():
    notch, line = Notch(3), torch.arange(90) % 3 == 0
    columns = (line * 1.0).expand(3, 60, 90)  # a line in every patch; one level per row of patches
    columns = columns * torch.rand(20).repeat_interleave(3)[:, None]
    left = notch(patches_of(columns))
    assert (left - left.mean(-1, keepdim=True)).abs().max() < 1e-6
    assert torch.allclose(left.mean((2, 3)), patches_of(columns).mean((2, 3)))
    edge = (torch.arange(60) == 30).float()[:, None].expand(3, 60, 90)  # one horizontal line, along a row of patches
    assert (notch(patches_of(edge)) - patches_of(edge)).abs().max() < 0.07
    noise = torch.randn(3, 60, 90)
    assert notch(patches_of(noise)).var() > 0.85 * noise.var()


def test_notch_is_a_mean_over_seventeen_patches():
    x, width = torch.randn(1, 1, 30, 27), 30
    weights = torch.tensor([0.5, *[1.0] * 15, 0.5])
    columns = x.view(1, 1, 30, 3, 3, 3) - x.view(1, 1, 30, 3, 3, 3).mean(-1, keepdim=True)
    expected = x.clone().view_as(columns)
    for i in range(width):
        near = [(weights[k + 8], columns[0, 0, i + k]) for k in range(-8, 9) if 0 <= i + k < width]
        expected[0, 0, i] -= sum(w * d for w, d in near) / sum(w for w, _ in near)
    # One row of patches: along its column a patch is its own average.
    expected = expected - (expected - expected.mean(-2, keepdim=True))
    torch.testing.assert_close(Notch(3)(x), expected.flatten(3))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("patch", [1, 3])
def test_flow_round_trip_and_log_determinant(patch, centred):
    torch.manual_seed(1)
    flow = Flow(layers=4, patch=patch, centred=centred).double()
    x, condition = torch.randn(5, flow.dim).double(), torch.randn(5, flow.conditions).double()
    if centred:
        x = RESIDUAL.knee * x.tanh()  # what its inverse may answer with
    z, log_p = flow(x, condition)
    torch.testing.assert_close(flow.inverse(z, condition), x)
    for i in range(5):
        jacobian = torch.autograd.functional.jacobian(lambda v, i=i: flow(v[None], condition[i : i + 1])[0][0], x[i])
        gaussian = -0.5 * (z[i].square() + torch.log(torch.tensor(2 * torch.pi).double())).sum()
        torch.testing.assert_close(log_p[i], gaussian + torch.linalg.slogdet(jacobian)[1])


@pytest.mark.parametrize("centred", [False, True])
def test_fixed_flow_is_the_flow(centred):
    torch.manual_seed(2)
    flow = Flow(layers=5, patch=3, centred=centred).requires_grad_(False)
    z, condition = torch.randn(40, 27), torch.randn(40, flow.conditions)
    if centred:
        z *= 0.1  # residuals up to the knee of their limit
    fixed = FixedFlow(flow)
    stretched = fixed.stretch(condition.clone())
    x, mean = flow.inverse(z, condition), flow.inverse(torch.zeros(40, 27), condition)
    torch.testing.assert_close(fixed.inverse(z, stretched), x, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fixed.mean(stretched), mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fixed.latent(x, stretched), z, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("limit", [STRETCH, RESIDUAL])
def test_a_soft_limit_is_the_identity_then_a_smooth_bend(limit):
    x = torch.linspace(-20, 20, 4001).double().requires_grad_()
    y = limit(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    inside = x.abs() <= limit.knee
    assert torch.equal(y[inside], x[inside])
    assert y.abs().max() < limit.most
    assert slope.min() > 0
    assert (slope[1:] - slope[:-1]).abs().max() < 0.5  # no corner


def test_the_density_of_a_centred_flow_keeps_its_tails():
    """A residual far beyond what the inverse may answer with is unlikely, not impossible, and has a gradient."""
    torch.manual_seed(5)
    flow, condition = Flow(layers=4, patch=1, centred=True), torch.zeros(3, 12)
    x = torch.tensor([[0.1], [0.5], [0.9]]).expand(3, 3).clone().requires_grad_()
    _, log_p = flow(x, condition)
    assert (log_p[:-1] > log_p[1:]).all()
    assert log_p.min() > -100
    (slope,) = torch.autograd.grad(log_p.sum(), x)
    assert (slope.norm(dim=1) > 0.1).all()


def test_the_inverse_of_a_centred_flow_cannot_explode():
    """Logits of -1000 stretch by 9,999 a layer; unbounded, five layers reach 1e19."""
    torch.manual_seed(3)
    flow = Flow(layers=5, patch=3, centred=True).requires_grad_(False)
    z, condition = 4 * torch.randn(64, 27), torch.full((64, flow.conditions), -1000.0)
    fixed = FixedFlow(flow)
    stretched = fixed.stretch(condition.clone())
    for made in (flow.inverse(z, condition), fixed.inverse(z, stretched)):
        assert made.isfinite().all()
        assert made.abs().max() <= RESIDUAL.most
    published = FixedFlow(Flow(layers=5, patch=3).requires_grad_(False))
    wild = published.inverse(z, published.stretch(torch.full((64, 5 * 54), -1000.0)))
    assert wild.abs().max() > 1e6  # as in the paper


def test_the_flow_is_float32_under_autocast():
    torch.manual_seed(4)
    fixed, condition = FixedFlow(Flow(layers=5, patch=3).requires_grad_(False)), torch.randn(40, 5 * 54)
    z = torch.randn(40, 27)

    def all_parts() -> list[torch.Tensor]:
        stretched = fixed.stretch(condition.clone())
        return [stretched, fixed.mean(stretched), fixed.inverse(z, stretched), fixed.latent(z, stretched)]

    plain = all_parts()
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(plain, all_parts(), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 8), st.floats(1, 8))
def test_interpolation_is_torchs(h, w, sy, sx):
    image, size = torch.rand(2, h, w), (round(h * sy), round(w * sx))
    up = F.interpolate(image[None], size, mode="bilinear")[0]
    ours = interpolate(
        image, linear_taps(torch.arange(size[0]), h, size[0]), linear_taps(torch.arange(size[1]), w, size[1])
    )
    torch.testing.assert_close(ours, up, atol=2e-5, rtol=0)


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


def test_noise_is_one_field():
    whole = gaussian_field(7, 5, Window(0, 0, 200, 150))
    assert torch.equal(gaussian_field(7, 5, Window(37, 61, 90, 80)), whole[:, 37:127, 61:141])
    assert not torch.equal(gaussian_field(8, 5, Window(0, 0, 200, 150)), whole)
    assert abs(whole.mean()) < 0.01
    assert abs(whole.std() - 1) < 0.01


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


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(10_000, 10_000_000))
def test_tiles_cover_the_output_once_and_fit(height, width, budget):
    size = Size(height, width)
    tile = fit_tile(size, lambda h, w: h * w * 10, budget)
    assert tile.height * tile.width * 10 <= budget or max(tile.height, tile.width) <= 64
    assert sum(w.height * w.width for w in chain.from_iterable(strips(size, tile))) == height * width
    assert max(w.bottom for w in chain.from_iterable(strips(size, tile))) == height


def test_patches_are_in_unfold_order():
    image = torch.arange(2 * 3 * 6 * 9).float().view(2, 3, 6, 9)
    expected = F.unfold(image, 3, stride=3).view(2, 27, 2, 3)
    assert torch.equal(to_patches(image, 3), expected)
    assert torch.equal(from_patches(expected, 3), image)
