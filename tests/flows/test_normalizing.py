"""Likelihoods and affine layers in numbers that are known."""

from __future__ import annotations

import math

import pytest
import torch

from srcli.flows import normalizing
from srcli.flows.broadcast import across, total


def test_log_normal_is_the_sum_over_each_sample():
    z = torch.tensor([[[[0.0, 1.0]], [[2.0, -2.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])  # (2, 2, 1, 2)
    constant = 4 * 0.9189385332046727  # log sqrt(2 pi)
    assert normalizing.log_normal(z).tolist() == pytest.approx([-4.5 - constant, -constant])


def test_the_density_of_a_stretched_normal_is_its_own():
    """y ~ N(0, 3^2) is made by z = y / 3."""
    y = torch.linspace(-8, 8, 4001).double()[:, None]
    log_p = normalizing.change_of_variables(y / 3, torch.tensor(-math.log(3.0)))
    assert log_p[2000].item() == pytest.approx(-math.log(3 * math.sqrt(2 * math.pi)))
    assert torch.trapezoid(log_p.exp(), y[:, 0]).item() == pytest.approx(math.erf(8 / 3 / math.sqrt(2)), abs=1e-5)


def test_likelihoods_are_told_per_value_and_per_pixel():
    log_p = torch.tensor([-12.0, -24.0])
    assert normalizing.negative_log_likelihood(log_p, 6).item() == pytest.approx(3.0)
    bits = normalizing.bits_per_pixel(log_p * math.log(2), 4)
    assert bits.tolist() == pytest.approx([3.0, 6.0])


def test_log_determinants_are_those_of_the_layers():
    weight = torch.tensor([[0.0, 2.0], [3.0, 0.0]])  # a negative determinant counts by its size
    assert normalizing.linear_log_det(weight).item() == pytest.approx(math.log(6))
    scale = torch.tensor([[[[1.0, 2.0]]], [[[0.5, 0.5]]]])
    assert normalizing.affine_log_det(scale).tolist() == pytest.approx([math.log(2), -math.log(4)])


def test_an_affine_layer_and_its_inverse():
    h, shift, scale = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 2.0]]), torch.tensor([[2.0, 0.25]])
    moved = normalizing.affine(h, shift, scale)
    assert moved.tolist() == [[3.0, 0.0]]
    assert torch.equal(normalizing.inverse_affine(moved, shift, scale), h)


def test_scales_lie_between_their_bounds():
    logits = torch.tensor([-2.0, -100.0, 100.0])
    assert normalizing.scale_of(logits).tolist() == pytest.approx([0.5001, 1e-4, 1.0001])
    assert normalizing.scale_of(logits, 0.1).tolist() == pytest.approx([0.6, 0.1, 1.1])


def test_a_standardised_latent_has_the_density_of_its_gaussian():
    torch.manual_seed(0)
    z, mean, log_std = torch.randn(3, 2, 4, 3, 3).double()
    eps, log_p = normalizing.standardise(z, mean, log_std)
    gaussian = torch.distributions.Normal(mean, log_std.exp())
    torch.testing.assert_close(log_p, gaussian.log_prob(z).sum((1, 2, 3)))
    torch.testing.assert_close(normalizing.unstandardise(eps, mean, log_std), z)
    torch.testing.assert_close(normalizing.unstandardise(torch.zeros_like(z), mean, log_std), mean)


@pytest.mark.parametrize(("knee", "most"), [(6.0, 9.0), (1.0, 2.0)])
def test_soft_limits_have_gradients_everywhere(knee, most):
    """Also where the hyperbola, which is not used there, has its pole: at |x| = 2 knee - most."""
    pole = 2 * knee - most
    x = torch.tensor([-most, -knee, -pole, -0.0, 0.0, pole, knee, 1e9], requires_grad=True)
    (gradient,) = torch.autograd.grad(normalizing.soft_limit(x, knee, most).sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient[2:6].tolist() == [1.0] * 4


def test_soft_limits_have_their_values():
    x = torch.tensor([0.0, -5.0, 6.0, 9.0, -12.0])
    limited = normalizing.soft_limit(x, 6.0, 9.0)  # beyond the knee: 9 - 3 / (1 + (x - 6) / 3)
    assert limited.tolist() == pytest.approx([0.0, -5.0, 6.0, 7.5, -8.0])
    bent = normalizing.bend(torch.tensor([0.0, 6.0, -8.0]), 6.0)
    assert bent.tolist() == pytest.approx([0.0, 6 / math.sqrt(2), -4.8])


def test_one_number_a_sample():
    values = torch.tensor([1.0, 2.0])
    assert across(values).shape == (2, 1, 1, 1)
    assert across(values, 2).tolist() == [[1.0], [2.0]]
    assert total(across(values) * torch.ones(2, 3, 2, 2)).tolist() == [12.0, 24.0]


def test_an_upper_limit_in_place_has_the_bits_of_the_soft_limit():
    x = torch.cat([torch.linspace(0, 40, 30_001), torch.rand(7, generator=torch.Generator().manual_seed(0)) * 1e6])
    x = torch.cat([x, torch.nextafter(torch.tensor([6.0, 6.0]), torch.tensor([0.0, 9.0]))])
    wanted = normalizing.soft_limit(x, 6.0, 9.0)
    rows = x.clone().expand(3, -1).clone().t()  # in strides, too
    assert torch.equal(normalizing.soft_upper_limit_(rows, 6.0, 9.0), wanted[:, None].expand(-1, 3))
    assert torch.equal(rows[:, 1], wanted)
