"""SRFlow at any scale: tiles have the bits of the whole, and nothing that explodes is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from srcli.bench.variants import Case, Model
from srcli.flows.exploding import PATCH, Exploded, exploded
from srcli.geometry import Size
from srcli.methods.registry import build
from srcli.methods.srflow.model import FOLD, SRFlowModel, without_grid
from srcli.networks.notch import Notch
from srcli.resampling import antialiased_taps, resample
from srcli.tiling.model import Sampling
from tests.support.tiles import decoded, decoded_in_tiles, in_tiles, whole

FLOW = {"kind": "srflow", "blocks": 1, "features": 16, "growth": 8, "stacked": [0], "steps": 2, "hidden": 16}
PRIOR = {"kind": "level-prior", "condition": 32, "width": 16, "blocks": 1}
CHOICES = [Sampling(seed=3), Sampling(temperature=0.3), Sampling(temperature=0.0), Sampling(temperature=3.0, seed=1)]


def tiny(prior: bool = False, **changes) -> SRFlowModel:
    """A model whose flow adds about 0.04 to the upsampling, more where the temperature is high."""
    torch.manual_seed(0)
    flow = build(FLOW | {"slope": 0.1, "centred": True, "reach": 6.0} | changes)
    for name, parameter in flow.named_parameters():
        if "flowUpsamplerNet" in name and "invconv" not in name:
            torch.nn.init.normal_(parameter, std=0.05)
    torch.nn.init.normal_(flow.upsampling.weight, std=0.02)
    side = 16 * flow.scale
    flow.initialise(0.04 * torch.randn(2, 3, side, side), flow.maps(flow.features(torch.rand(2, 3, 16, 16))))
    nets = [flow]
    if prior:
        ratios = [ratio for ratio, level in zip(flow.ratios, flow.flowUpsamplerNet.fold(), strict=True) if level.split]
        nets.append(build(PRIOR | {"channels": flow.latent_channels, "ratios": [*ratios, 0.5]}))
        for head in nets[1].heads:
            torch.nn.init.normal_(head.weight, std=0.1)
    return SRFlowModel(*(n.eval().requires_grad_(False).to(memory_format=torch.channels_last) for n in nets))


SAMPLED, PREDICTED = tiny(), tiny(prior=True)


def picture(low: tuple[int, int]) -> torch.Tensor:
    return 0.25 + 0.5 * torch.rand(1, 3, *low, generator=torch.Generator().manual_seed(low[0]))


@settings(max_examples=15, deadline=None)
@given(
    low=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    scale=st.tuples(st.floats(1, 4), st.floats(1, 4)) | st.just((4.0, 4.0)),
    tile=st.tuples(st.integers(60, 300), st.integers(60, 300)),
    sampling=st.sampled_from(CHOICES),
    model=st.sampled_from([SAMPLED, PREDICTED]),
)
def test_tiled_equals_whole_to_the_bit(low, scale, tile, sampling, model):
    size = Size(*(max(1, round(n * s)) for n, s in zip(low, scale, strict=True)))
    lr = picture(low)
    once, tiled = decoded(model, lr, size, sampling), decoded_in_tiles(model, lr, size, Size(*tile), sampling)
    assert torch.equal(tiled.picture, once.picture)
    assert tiled.exploded == once.exploded


@pytest.mark.parametrize(("low", "size"), [((190, 170), (760, 680)), ((190, 170), (627, 561))])
def test_pictures_of_several_blocks_tile_exactly(low, size):
    lr, size, sampling = picture(low), Size(*size), Sampling(temperature=0.5, seed=2)
    assert torch.equal(in_tiles(SAMPLED, lr, size, Size(256, 300), sampling), whole(SAMPLED, lr, size, sampling))


def test_eight_times_tiles_exactly():
    model = tiny(prior=True, scale=8)
    lr, size = picture((31, 26)), Size(248, 208)
    for sampling in (Sampling(), Sampling(detail=0, temperature=0.5)):
        assert torch.equal(in_tiles(model, lr, size, Size(90, 120), sampling), whole(model, lr, size, sampling))


def test_the_window_is_what_the_network_decodes():
    # The pipeline's crops, margins and folded steps against the plain definition.
    flow, lr, size = PREDICTED.flow, picture((20, 24)), Size(80, 96)
    with torch.inference_mode():
        features = flow.features(lr)
        latents = [0.7 * z for z in PREDICTED.prior(features)]
        plain = flow.base(lr, features) + flow.decode(latents, flow.maps(features))
        plain = without_grid(plain, F.interpolate(lr, scale_factor=4, mode="bilinear"), Notch(FOLD))
    torch.testing.assert_close(whole(PREDICTED, lr, size, Sampling(detail=0.7)), plain, atol=2e-5, rtol=0)


def test_latents_are_noise_of_the_heat_and_seed():
    lr, size = picture((64, 64)), Size(256, 256)
    mean = whole(SAMPLED, lr, size, Sampling(temperature=0.0))
    one, same, other = (whole(SAMPLED, lr, size, Sampling(temperature=0.4, seed=s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert (one - mean).std() > 0.005
    assert 1.1 < (one - other).std() / (one - mean).std() < 1.7  # independent: sqrt(2)
    own = whole(SAMPLED, lr, size, Sampling(seed=1))
    assert torch.equal(own, whole(SAMPLED, lr, size, Sampling(temperature=0.8, seed=1)))


@settings(max_examples=30, deadline=None)
@given(given=st.integers(1, 60), wanted=st.integers(1, 60))
def test_resampling_is_pillows(given, wanted):
    image = np.random.default_rng(given).random((5, given), np.float32)
    expected = np.asarray(Image.fromarray(image).resize((wanted, 5), Image.Resampling.BICUBIC))
    ours = resample(torch.from_numpy(image), antialiased_taps(0, 5, 5, 5), antialiased_taps(0, wanted, given, wanted))
    np.testing.assert_allclose(ours.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("value", "bad"),
    [(0.0, False), (1.2, False), (float("nan"), True), (float("inf"), True), (-1.6, True), (2.6, True), (0.8, False)],
)
def test_a_blown_up_value_marks_its_patch(value, bad):
    upsampling = torch.full((1, 3, 80, 100), 0.5)
    blown = upsampling.clone()
    blown[0, 1, 40, 70] = value
    expected = torch.zeros(3, 4, dtype=torch.bool)
    expected[1, 2] = bad
    assert torch.equal(exploded(blown, upsampling, upsampling[..., ::4, ::4]), expected)


def test_black_and_noisy_patches_are_seen_and_texture_is_not():
    torch.manual_seed(0)
    upsampling = torch.full((1, 3, PATCH, 3 * PATCH), 0.5)
    picture = upsampling + 0.1 * torch.randn(1, 3, PATCH, 3 * PATCH)
    picture[..., PATCH : 2 * PATCH] += 0.4 * torch.randn(1, 3, PATCH, PATCH)  # noise without a local mean
    picture[..., -8:, -8:] = 0.0
    found = exploded(picture.clamp(-0.9, 1.9), upsampling, upsampling[..., ::4, ::4])
    assert found.tolist() == [[False, True, True]]


def test_heat_that_explodes_is_repaired_counted_and_tells_the_seed():
    lr, size, hot = picture((64, 64)), Size(256, 256), Sampling(temperature=4.0, seed=5)
    repaired, mean = decoded(SAMPLED, lr, size, hot), whole(SAMPLED, lr, size, Sampling(temperature=0.0))
    assert repaired.exploded > 0
    made = repaired.picture
    assert not exploded(made, mean, lr).any()
    # A repaired patch is that of the same seed at a lower temperature.
    cooler = [whole(SAMPLED, lr, size, Sampling(temperature=t, seed=5)) for t in (4.0, 0.8, 0.4, 0.0)]
    for row in range(0, 256, PATCH):
        for col in range(0, 256, PATCH):
            patch = (..., slice(row, row + PATCH), slice(col, col + PATCH))
            assert any(torch.equal(made[patch], c[patch]) for c in cooler)
    with pytest.raises(Exploded, match="at pixel"):
        whole(SAMPLED, lr, size, Sampling(temperature=4.0, seed=5, on_explode="error"))


def test_even_the_mean_may_explode():
    model = tiny()
    torch.nn.init.constant_(model.flow.flowUpsamplerNet.layers[-1].actnorm.bias, float("nan"))
    model.to(torch.device("cpu"))
    lr, size = picture((16, 16)), Size(64, 64)
    made = decoded(model, lr, size, Sampling(temperature=0.0))
    base = model.flow.base(lr, model.flow.features(lr))
    expected = without_grid(base, F.interpolate(lr, scale_factor=4, mode="bilinear"), Notch(FOLD))
    torch.testing.assert_close(made.picture, expected, atol=1e-5, rtol=0)
    assert made.exploded == 4


def test_share_of_exploded_samples_is_known_to_bench(monkeypatch):
    from srcli import Upscaler

    upscaler = Upscaler("linf-s", precision="fp32")
    upscaler.engine.model = SAMPLED
    small = np.full((16, 16, 3), 128, np.uint8)
    case = Case(name="grey", scale=4, reference=np.zeros((64, 64, 3), np.uint8), low=small)
    cool, hot = (Model(upscaler, Sampling(temperature=t), seeds=2).make(case) for t in (0.3, 4.0))
    assert [made.exploded for made in cool + hot] == [False, False, True, True]
