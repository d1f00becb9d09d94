"""Our networks against the numbers of the reference implementations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.methods.linf.flow import Flow
from srcli.methods.linf.network import LINF
from srcli.methods.linf.official import OfficialLinf
from srcli.methods.linf.queries import official_queries
from srcli.networks.patches import from_patches
from tests.support.parity import close, fixture, keys_agree, network, weights

TINY_EDSR = {"kind": "edsr", "blocks": 2, "features": 16, "mean_shift": True}
TINY_UNET = {"kind": "unet-latent", "width": 16}


def tiny_linf(patch: int) -> dict:
    return {"kind": "linf", "encoder": TINY_EDSR, "hidden": 32, "flow_layers": 3, "patch": patch}


def as_rows(patches: Tensor) -> Tensor:
    return patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1])


def as_grid(values: Tensor, like: Tensor) -> Tensor:
    b, _, h, w = like.shape
    return values.view(b, h, w, -1).permute(0, 3, 1, 2)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("edsr_encoder", TINY_EDSR),
        ("rrdb_encoder", {"kind": "rrdb", "blocks": 2, "features": 16, "growth": 8, "upsampling_keys": True}),
    ],
)
def test_encoder(reference, name, architecture):
    data = fixture(reference, name)
    close(reference, name, "out/feat", network(architecture, weights(data))(data["in/x"]))


@pytest.mark.parametrize("patch", [1, 3])
def test_flow_both_ways(reference, patch):
    name = f"flow_p{patch}"
    data = fixture(reference, name)
    flow = Flow(layers=3, patch=patch)
    flow.load_state_dict(weights(data))
    z, log_p = flow(data["in/x"], data["in/affine_info"])
    close(reference, name, "out/z", z)
    close(reference, name, "out/log_p", log_p)
    close(reference, name, "out/x_from_z_in", flow.inverse(data["in/z"], data["in/affine_info"]))
    close(reference, name, "out/x_roundtrip", flow.inverse(z, data["in/affine_info"]))


@pytest.mark.parametrize(("name", "patch"), [("linf_p1", 1), ("linf_p3", 3)])
def test_linf(reference, name, patch):
    data = fixture(reference, name)
    linf = network(tiny_linf(patch), weights(data))
    assert isinstance(linf, LINF)
    inp = data["in/lr"] * 2 - 1
    maps = linf.encode(inp)
    close(reference, name, "mid/coef", maps[:, :32])
    close(reference, name, "mid/freq", maps[:, 32:])
    queries = official_queries(data["in/coord"], data["in/cell"], (inp.shape[2], inp.shape[3]))
    fourier = linf.fourier(maps, queries)
    zmap = data["in/zmap"]
    close(reference, name, "mid/features", as_grid(fourier, zmap))
    _, condition = linf.condition(fourier)
    close(reference, name, "mid/affine_info", as_grid(condition, zmap))
    target = data["in/gt_patch" if patch == 3 else "in/gt_residual"]
    z, log_p = linf.imnet(as_rows(target), condition)
    close(reference, name, "out/log_p", log_p)
    close(reference, name, "out/z", as_grid(z, zmap))
    height, width = data["in/hr"].shape[-2:]
    base = F.interpolate(inp, (height, width), mode="bilinear")
    for key, latent in (("out/rgb_zmap", as_rows(zmap)), ("out/rgb_t0", torch.zeros_like(z))):
        residual = from_patches(as_grid(linf.imnet.inverse(latent, condition), zmap), patch)
        close(reference, name, key, base + residual[..., :height, :width])


def test_linf_training_batch_with_two_scales(reference):
    name = "linf_p3_trainbatch"
    data = fixture(reference, name)
    linf = network(tiny_linf(3), weights(fixture(reference, "linf_p3")))
    assert isinstance(linf, LINF)
    inp = data["in/lr"] * 2 - 1 if data["in/lr"].min() >= 0 else data["in/lr"]
    queries = official_queries(data["in/coord"], data["in/cell"], (inp.shape[2], inp.shape[3]))
    _, condition = linf.condition(linf.fourier(linf.encode(inp), queries))
    z, log_p = linf.imnet(as_rows(data["in/gt_patch"]), condition)
    close(reference, name, "out/nll", -log_p.mean())
    close(reference, name, "out/z_hr", as_grid(z, data["in/zmap"]))
    z_lr, _ = linf.imnet(as_rows(data["in/gt_lr_up"]), condition)
    close(reference, name, "out/z_lr", as_grid(z_lr, data["in/zmap"]))
    residual = linf.imnet.inverse(as_rows(data["in/zmap"]), condition)
    close(reference, name, "out/pred_zmap", from_patches(as_grid(residual, data["in/zmap"]), 3))
    mean = from_patches(as_grid(linf.imnet.inverse(torch.zeros_like(z), condition), data["in/zmap"]), 3)
    close(reference, name, "out/pixel_loss_t0", (mean - from_patches(data["in/gt_patch"], 3)).abs().mean())


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("prior_unet_c27", TINY_UNET | {"channels": 27}),
        ("prior_unet_c3", TINY_UNET | {"channels": 3}),
        ("prior_edsr_c27", {"kind": "edsr-latent", "channels": 27, "width": 16, "blocks": 2}),
        (
            "prior_swin_c27",
            {"kind": "swin-latent", "channels": 27, "width": 12, "depths": (2, 3), "heads": (3, 6)},
        ),
    ],
)
@pytest.mark.parametrize("case", ["a", "b"])
def test_latent_module(reference, name, architecture, case):
    data = fixture(reference, name)
    if f"in/x_{case}" not in data:
        pytest.fail(f"{name} has no case {case}")
    prior = network(architecture, weights(data))
    close(reference, name, f"out/y_{case}", prior(data[f"in/x_{case}"], data[f"in/lr_{case}"]))


@pytest.mark.parametrize(
    ("name", "owner", "patch", "paired"),
    [
        ("linf_lp_p3", "linf_lp_p3", 3, False),
        ("linf_lp_p1", "linf_lp_p1", 1, False),
        ("linf_lp_p3_paired_x3", "linf_lp_p3", 3, True),
        ("linf_lp_p3_paired_x4", "linf_lp_p3", 3, True),
    ],
)
def test_linf_lp_whole_path(reference, name, owner, patch, paired):
    stored, data = fixture(reference, owner), fixture(reference, name)
    linf = network(tiny_linf(patch), weights(stored))
    prior = network(TINY_UNET | {"channels": 3 * patch**2}, weights(stored, "prior_weights/"))
    height, width = data["in/hr"].shape[-2:]
    model = OfficialLinf(linf, prior, always_pad=paired)
    path = model.latents(data["in/lr"], height, width)
    assert torch.equal(path.coord, data["in/coord"])
    torch.testing.assert_close(path.initial, data["in/gt_lr_up"], atol=1e-6, rtol=0)
    close(reference, name, "mid/z_lr", path.z_lr)
    close(reference, name, "mid/z_learned", path.z)
    sr = model.upscale(data["in/lr"], height, width)
    assert (sr - data["out/sr"]).abs().max() <= 1e-5
    close(reference, name, "out/sr", sr)


FULL = {
    "EDSR-baseline-LINF_patch1": {"kind": "linf", "encoder": {"kind": "edsr", "mean_shift": True}, "patch": 1},
    "EDSR-baseline-LINF_patch3": {"kind": "linf", "encoder": {"kind": "edsr", "mean_shift": True}, "patch": 3},
    "RDN-LINF_patch1": {"kind": "linf", "encoder": {"kind": "rdn"}, "patch": 1},
    "SwinIR-LINF_patch1": {"kind": "linf", "encoder": {"kind": "swinir"}, "patch": 1},
    "RRDB-LINF_patch3": {"kind": "linf", "encoder": {"kind": "rrdb", "upsampling_keys": True}, "patch": 3},
    "RRDB_encoder_nb23": {"kind": "rrdb", "upsampling_keys": True},
    "LINF-LP_UNet_dim64_c27": {"kind": "unet-latent", "channels": 27},
    "LINF-LP_UNet_dim64_c3": {"kind": "unet-latent", "channels": 3},
    "LINF-LP_EDSR-latent_c27": {"kind": "edsr-latent", "channels": 27},
    "LINF-LP_EDSR-latent_c3": {"kind": "edsr-latent", "channels": 3},
    "LINF-LP_Swin-T-latent_c27": {"kind": "swin-latent", "channels": 27},
    "LINF-LP_Swin-T-latent_c3": {"kind": "swin-latent", "channels": 3},
}


@pytest.mark.parametrize("name", FULL)
def test_full_size_keys_and_shapes(reference, name):
    keys_agree(reference, name, FULL[name])
