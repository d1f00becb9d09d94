"""DegFlow against the numbers of the reference implementation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from srcli.flows.degradation_path import Spline
from srcli.flows.ode import Solver
from srcli.methods.degflow.model import time_of
from srcli.methods.degflow.network import embedding
from tests.methods.degflow.networks import FORWARD, LATENT, PICTURE, close

SCALES = (1.1, 2.0, 2.4, 3.0, 4.0)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def test_autoencoder_is_the_official_one(data, model):
    z, skips = model.autoencoder.encoder(data["hr"])
    close(z, data["rae.z"], FORWARD)
    for number, skip in enumerate(skips):
        close(skip, data[f"rae.f{number}"], FORWARD)
    close(model.autoencoder.decoder(z, skips), data["rae.recon_hr"], FORWARD)
    close(model.autoencoder(data["other"], data["hr"]), data["rae.recon_other_with_hr_skips"], FORWARD)
    close(model.autoencoder.encoder(data["other"])[0], data["rae.z_other"], FORWARD)


def test_flow_is_the_official_one(data, model):
    close(embedding(data["flow.t"] * 999, 16), data["flow.temb"], FORWARD)
    close(model.flow(data["flow.z"], data["flow.t"]), data["flow.v"], FORWARD)
    z, _ = model.autoencoder.encoder(data["hr"])
    close(model.flow(z, torch.tensor([time_of(2.4)])), data["flow.v_hr_t0p4667"], FORWARD)


@pytest.mark.parametrize(("name", "kind"), [("spline", "cubic"), ("spline", "linear"), ("spline4", "cubic")])
def test_splines_are_the_official_ones(data, name, kind):
    jet = Spline(data[f"{name}.cp"], data[f"{name}.pos"], cubic=kind == "cubic")(data[f"{name}.t"])
    for value, key in ((jet.value, "z"), (jet.first, "d1"), (jet.second, "d2"), (jet.third, "d3")):
        close(value, data[f"{name}.{kind}.{key}"], FORWARD)


def test_generation_is_the_official_one(data, model):
    z, skips = model.autoencoder.encoder(data["hr"])
    for scale, state in zip(SCALES, model.path(z, SCALES, Solver()), strict=True):
        close(state, data[f"gen.z_{scale}"], LATENT)
        close(model.autoencoder.decoder(state, skips).clamp(-1, 1), data[f"gen.lr_{scale}"], PICTURE)
        assert time_of(scale) == pytest.approx((scale - 1) / 3)
    made = next(model.generate(data["hr_u8"].numpy(), [2.4]))
    assert np.array_equal(made, data["gen.png_2.4"].numpy())


def test_adaptive_steps_are_the_official_ones(data, model, reference):
    z, _ = model.autoencoder.encoder(data["hr"])
    asked = 0

    def velocity(state: torch.Tensor, t: float) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return model.flow(state.float(), torch.tensor([t], dtype=torch.float32)).double()

    found = Solver()(velocity, z, 1e-3, 1.0, [])
    cases = json.loads((reference / "parity" / "degflow" / "cases.json").read_text())
    assert found.evaluations == asked == cases["sampler"]["nfev_grid"]


def test_interpolation_of_known_levels_is_the_official_one(data, model):
    hr, low2, _, low4 = data["train.imgs"][:, :1]
    knots = torch.stack([model.autoencoder.encoder(level)[0] for level in (hr, low2, low4)])
    z = Spline(knots, torch.tensor([0, 1 / 3, 1]))(torch.tensor([time_of(2.4)])).value
    close(z, data["interp.z_2.4"], FORWARD)
    made = model.autoencoder.decoder(z, model.autoencoder.encoder.skips(hr))
    close(made.clamp(-1, 1), data["interp.lr_2.4"].clamp(-1, 1), FORWARD)


def test_knots_of_the_published_autoencoder_are_kept(model, reference):
    cases = json.loads((reference / "parity" / "degflow" / "cases.json").read_text())
    assert model.autoencoder.positions().tolist() == pytest.approx([0, cases["t_positions"][1], 1], abs=1e-6)
