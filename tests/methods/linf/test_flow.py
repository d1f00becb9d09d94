"""LINF's flow: both ways, bounded where it is centred, the same when it is fixed."""

from __future__ import annotations

import pytest
import torch

from srcli.methods.linf.flow import RESIDUAL, STRETCH, FixedFlow, Flow


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
