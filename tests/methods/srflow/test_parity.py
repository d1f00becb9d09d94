"""SRFlow against the numbers of the reference implementation, and the mathematics of its flow."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from srcli.flows.normalizing import bits_per_pixel, change_of_variables
from srcli.methods.registry import build
from srcli.methods.srflow.network import SRFlow
from srcli.methods.srflow.official import OfficialSRFlow, even_sided
from tests.support.parity import close, fixture, keys_agree, network, weights

SMALL = {"kind": "srflow", "blocks": 4, "growth": 4, "stacked": [0, 1, 2, 3], "hidden": 8}
TINY = {"kind": "srflow", "blocks": 2, "features": 8, "growth": 4, "stacked": [0], "hidden": 8, "steps": 2}
OURS = {"centred": True, "slope": 0.1, "least_scales": (0.1, 0.5), "reach": 6.0}
CASES = {"srflow_x4": SMALL | {"scale": 4, "steps": 2}, "srflow_x8": SMALL | {"scale": 8, "steps": 1}}


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


@pytest.fixture
def srflow(reference, request):
    name = request.param
    return name, fixture(reference, name), network(CASES[name], weights(fixture(reference, name)))


def tiny(dtype: torch.dtype = torch.float32, **changes) -> SRFlow:
    """A tiny flow in which every part does something."""
    torch.manual_seed(0)
    net = build(TINY | changes)
    for name, parameter in net.named_parameters():
        if "flowUpsamplerNet" in name and "invconv" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    if net.centred:
        torch.nn.init.normal_(net.upsampling.weight, std=0.05)
    assert isinstance(net, SRFlow)
    return net.eval().to(dtype).requires_grad_(False)


both = pytest.mark.parametrize("srflow", CASES, indirect=True)


@both
def test_features_are_the_official_ones(reference, srflow):
    name, data, net = srflow
    half, one, *doubled = reversed(net.maps(net.features(data["in/lr_pad"])))
    scales = {"fea_up0": half[:, ::5], "fea_up1_every40": one[:, ::40]}
    scales |= {f"fea_up{2**n}_every40": m[:, ::40] for n, m in enumerate(doubled, 1)}
    for key, value in scales.items():
        close(reference, name, f"mid/{key}", value)


@both
def test_encode_nll_and_decode(reference, srflow):
    name, data, net = srflow
    maps = net.maps(net.features(data["in/lr_pad"]))
    hr = data["in/hr"]
    latents, log_det = net.encode(hr, maps)
    for number, latent in enumerate(latents):
        close(reference, name, f"out/enc_eps{number}", latent)
    close(reference, name, "out/logdet", log_det)
    log_p = change_of_variables(latents[-1], log_det)
    close(reference, name, "out/nll", bits_per_pixel(log_p, hr.shape[2] * hr.shape[3]))
    given = [data[f"in/eps{number}"] for number in range(len(latents))]
    sr = net.decode(given, maps)
    close(reference, name, "out/sr_epses", sr)
    close(reference, name, "out/dec_logdet", -net.encode(sr, maps)[1])
    close(reference, name, "out/hr_roundtrip", net.decode(latents, maps))


@both
def test_official_script_pads_decodes_and_crops(reference, srflow):
    name, data, net = srflow
    assert torch.equal(even_sided(data["in/lr"]), data["in/lr_pad"])
    model = OfficialSRFlow(net)
    close(reference, name, "out/sr_heat0_cropped", model.upscale(data["in/lr"], temperature=0.0))
    close(reference, name, "out/sr_heat0", model.decode(data["in/lr_pad"], model.sample(data["in/lr_pad"], 0.0)))
    drawn = model.sample(data["in/lr_pad"], 0.9)
    assert [z.shape for z in drawn] == [data[f"in/eps{n}"].shape for n in range(len(drawn))]
    assert torch.cat([z.flatten() for z in drawn]).std().item() == pytest.approx(0.9, rel=0.05)


def test_srflow_lp_whole_path(reference):
    name = "srflow_lp_x4"
    data = fixture(reference, name)
    flow = network(CASES["srflow_x4"], weights(fixture(reference, "srflow_x4")))
    prior = network({"kind": "srflow-unet", "width": 16}, weights(data, "prior_weights/"))
    model = OfficialSRFlow(flow, prior)
    for number, (first, learned) in enumerate(
        zip(model.initial(data["in/lr_pad"]), model.predict(data["in/lr_pad"]), strict=True)
    ):
        close(reference, name, f"mid/lr_eps{number}", first)
        close(reference, name, f"mid/learned_eps{number}", learned)
    close(reference, name, "out/sr", model.upscale(data["in/lr"]))


FULL = {
    "SRFlow_DF2K_4X": {"kind": "srflow"},
    "SRFlow_DF2K_8X": {"kind": "srflow", "scale": 8, "stacked": [1, 3, 5, 7]},
    "SRFlow_CelebA_8X": {"kind": "srflow", "scale": 8, "stacked": [1, 3, 5, 7], "blocks": 8},
    "SRFlow-LP_UNet_dim64": {"kind": "srflow-unet"},
    "SRFlow_RRDB_DF2K_4X": {"kind": "srflow-rrdb"},
    "SRFlow_RRDB_DF2K_8X": {"kind": "srflow-rrdb", "upsampling": 3},
    "SRFlow_RRDB_CelebA_8X": {"kind": "srflow-rrdb", "upsampling": 3},
}


@pytest.mark.parametrize("name", FULL)
def test_full_size_keys_and_shapes(reference, name):
    keys_agree(reference, name, FULL[name])


@pytest.mark.parametrize("changes", [{}, {"scale": 8}, {"centred": True, "slope": 0.1}, {"stacked": []}, OURS])
def test_round_trip_in_float32(changes):
    net = tiny(**changes)
    lr = torch.rand(2, 3, 10, 8)
    picture = torch.rand(2, 3, 10 * net.scale, 8 * net.scale)
    maps = net.maps(net.features(lr))
    latents, _ = net.encode(picture, maps)
    assert [z.shape[1] for z in latents] == net.latent_channels
    assert (net.decode(latents, maps) - picture).abs().max() <= 1e-4


@pytest.mark.parametrize("changes", [{}, {"scale": 8}, OURS])
def test_folded_levels_are_the_papers_layers(changes):
    net = tiny(torch.float64, **changes)
    glow, lr = net.flowUpsamplerNet, torch.rand(2, 3, 6, 4).double()
    picture, maps = torch.rand(2, 3, 6 * net.scale, 4 * net.scale).double(), net.maps(net.features(lr))
    latents, log_det = glow.encode(picture, maps)
    folded, folded_log_det = net.encode(picture, maps)
    assert [z.shape[1] for z in latents] == net.latent_channels
    single = {"atol": 3e-5, "rtol": 1e-5}  # folded networks answer in float32
    torch.testing.assert_close(latents, folded, **single)
    torch.testing.assert_close(log_det, folded_log_det, atol=0, rtol=1e-6)
    torch.testing.assert_close(glow.decode(latents, maps), picture, atol=1e-10, rtol=0)
    other = [torch.randn_like(z) * 0.1 for z in latents]
    torch.testing.assert_close(glow.decode(other, maps), net.decode(other, maps), **single)


@pytest.mark.parametrize("changes", [{}, OURS])
def test_log_determinant_is_autograds(changes):
    net = tiny(torch.float64, **changes)
    lr, picture = torch.rand(1, 3, 2, 2).double(), torch.rand(1, 3, 8, 8).double()
    maps = net.maps(net.features(lr))
    latents, log_det = net.encode(picture, maps)

    def latent(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([z.flatten() for z in net.encode(x.view_as(picture), maps)[0]])

    with torch.enable_grad():
        jacobian = torch.autograd.functional.jacobian(latent, picture.flatten())
    z = torch.cat([z.flatten() for z in latents])
    gaussian = -0.5 * (z.square() + torch.log(torch.tensor(2 * torch.pi).double())).sum()
    expected = torch.linalg.slogdet(jacobian)[1] + gaussian
    torch.testing.assert_close(change_of_variables(latents[-1], log_det)[0], expected)


def test_first_batch_makes_latents_standard():
    net = tiny()
    torch.nn.init.normal_(net.RRDB.conv_first.weight, std=3.0)
    for layer in net.modules():
        if type(layer).__name__ == "PairConv":
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    maps, picture = net.maps(net.features(torch.rand(4, 3, 12, 12))), 0.1 * torch.randn(4, 3, 48, 48)
    net.initialise(picture, maps)
    latents, _ = net.encode(picture, maps)
    half = latents[-1].shape[1] // 2
    gain = 1 / (1 + torch.exp(torch.tensor(-2.0))) + 1e-4  # of the two couplings of the last step
    assert latents[-1][:, :half].std(correction=0).item() == pytest.approx(gain.item(), rel=0.01)
    assert latents[-1][:, half:].std(correction=0).item() == pytest.approx(gain.item() ** 2, rel=0.01)


def test_flow_arithmetic_is_float32_under_autocast():
    # Networks in bfloat16 may say something else, but they say the same both ways where their input is the same.
    net = tiny(stacked=[])
    for layer in net.modules():
        if type(layer).__name__ == "PairConv":
            torch.nn.init.zeros_(layer.weight)
    picture, lr = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        maps = net.maps(net.features(lr))
        latents, _ = net.encode(picture, maps)
        assert (net.decode(latents, maps) - picture).abs().max() <= 1e-4


def test_bounds_tame_the_inverse():
    # Random weights: the inverse of the official definition is not finite, ours is that of a small picture.
    torch.manual_seed(1)
    lr, latents = torch.rand(1, 3, 8, 8), [torch.randn(1, 6, 16, 16), torch.randn(1, 96, 4, 4)]
    sizes = []
    for bounds in ({}, {"least_scales": (0.1, 0.5), "reach": 6.0}):
        net = tiny(steps=6, slope=0.1, **bounds)
        sizes.append(net.decode(latents, net.maps(net.features(lr))).abs().max())
    assert not torch.isfinite(sizes[0])
    assert sizes[1] < 10


def test_upsampling_of_a_centred_flow_is_bilinear_plus_subpixels():
    net = tiny(centred=True)
    lr = torch.rand(1, 3, 6, 8)
    features = net.features(lr)
    up = F.interpolate(lr, scale_factor=4.0, mode="bilinear")
    residual = F.pixel_shuffle(net.upsampling(features[:, :8]), 4)
    torch.testing.assert_close(net.base(lr, features), up + residual)
    assert not any("HRconv" in key or "upconv2" in key for key in net.state_dict())
