"""The arithmetic of flow maps: the fixture's numbers, JVPs against differences, maps that are known exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from srcli.flows import flow_maps as flow_map
from srcli.flows.broadcast import across
from srcli.methods.flowmap.times import FORMULATIONS, Jumps
from tests.flows.toy import EXACT, SIGMA, Toy, W


@pytest.fixture(scope="module")
def toy(reference) -> Toy:
    return Toy(reference)


# --- the fixture ---


def test_path_and_map_have_the_fixtures_values(toy):
    toy.close("xs", toy.x)
    toy.close("xs_bridge", flow_map.interpolant(toy.given["lr"], toy.given["hr"], toy.s, toy.given["eps"], SIGMA))
    toy.close("u_ss", toy.u()(toy.x, toy.s, toy.s))
    toy.close("u_st", toy.u()(toy.x, toy.s, toy.t))
    toy.close("X_st", flow_map.jump(toy.u(), toy.x, toy.s, toy.t))
    for steps in (1, 2, 4):
        toy.close(f"sample_nfe{steps}", flow_map.sample(toy.u(), toy.given["lr"], steps))


def test_every_target_and_loss_has_the_fixtures_value(toy):
    u, x, s, t = toy.u(), toy.x, toy.s, toy.t
    made = u(x, s, t)

    def target(name: str, loss: str, value: Tensor) -> None:
        toy.close(name, value)
        toy.close(loss, flow_map.square(made - value))

    toy.close("L_fm", flow_map.flow_matching(u(x, s, s), toy.given["lr"], toy.given["hr"]))
    target("shortcut_target", "L_shortcut", flow_map.shortcut_target(u, x, s, t))
    target("psd_target_g03", "L_psd_g03", flow_map.shortcut_target(u, x, s, t, share=0.3))
    target("eulerian_target", "L_eulerian", flow_map.eulerian_target(u, u(x, s, s), x, s, t))
    target("meanflow_target", "L_meanflow", flow_map.eulerian_target(u, toy.velocity, x, s, t))
    guided = flow_map.guided(u, toy.u("neg"), W)
    target("cfg_shortcut_target", "L_cfg_shortcut", flow_map.shortcut_target(guided, x, s, t))
    toy.close("cfg_u_ss", guided(x, s, s))
    residual = flow_map.lagrangian_residual(u, u, x, s, t)
    toy.close("lagrangian_residual", residual)
    toy.close("L_lagrangian", flow_map.square(residual))


def test_weighting_has_the_fixtures_value(toy):
    toy.close("lambda", toy.log_weight())
    toy.close("L_weighted", flow_map.weighted(toy.wanted["L_shortcut"], toy.log_weight()))


# --- JVPs ---


def test_the_jvp_in_t_is_the_central_difference(toy):
    u, x, s, t, h = toy.u(), toy.x, toy.s, toy.t, 1e-5
    slope = (u(x, s, t + h) - u(x, s, t - h)) / (2 * h)
    expected = u(x, s, t) + across(t - s) * slope - u(flow_map.jump(u, x, s, t), t, t)
    torch.testing.assert_close(flow_map.lagrangian_residual(u, u, x, s, t), expected, atol=1e-8, rtol=1e-8)


def test_the_jvp_in_x_and_s_is_the_central_difference(toy):
    u, x, s, t, h = toy.u(), toy.x, toy.s, toy.t, 1e-5
    v = u(x, s, s)
    slope = (u(x + h * v, s + h, t) - u(x - h * v, s - h, t)) / (2 * h)
    expected = v + across(t - s) * slope
    torch.testing.assert_close(flow_map.eulerian_target(u, v, x, s, t), expected, atol=1e-8, rtol=1e-8)


def test_the_gradient_of_the_lagrangian_loss_passes_through_the_jvp(toy):
    weight, (s, t) = toy.weights["c1.weight"], (toy.s, toy.t)
    with torch.no_grad():  # the second network is a constant of the loss
        reached = toy.u()(flow_map.jump(toy.u(), toy.x, s, t), t, t)

    def loss() -> Tensor:
        return flow_map.square(flow_map.lagrangian_residual(toy.u(), lambda *_: reached, toy.x, s, t)).sum()

    weight.requires_grad_()
    try:
        (gradient,) = torch.autograd.grad(loss(), weight)
    finally:
        weight.requires_grad_(False)
    place, h = (3, 2, 1, 0), 1e-6
    before = weight[place].item()
    values = []
    for change in (h, -h):
        weight[place] = before + change
        values.append(loss().item())
    weight[place] = before
    assert gradient[place].item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6)


# --- maps that are known exactly ---

RATES = torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64).view(1, 3, 1, 1)


def linear(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """The mean velocity of dx/dt = rate x: X_{s,t}(x) = exp(rate (t - s)) x."""
    gap = across(t - s)
    return torch.where(gap == 0, RATES * x, torch.expm1(RATES * gap) * x / gap.where(gap != 0, 1.0))


@pytest.fixture(scope="module")
def points() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(5, 3, 4, 4).double(), torch.rand(5).double() * 0.4, torch.rand(5).double() * 0.5 + 0.5


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_linear_flow_composes_exactly(points, share):
    x, s, t = points
    r = s + share * (t - s)
    through = flow_map.jump(linear, flow_map.jump(linear, x, s, r), r, t)
    torch.testing.assert_close(through, flow_map.jump(linear, x, s, t), **EXACT)
    torch.testing.assert_close(flow_map.shortcut_target(linear, x, s, t, share), linear(x, s, t), **EXACT)
    for steps in (1, 2, 4):
        torch.testing.assert_close(flow_map.sample(linear, x, steps), RATES.exp() * x, **EXACT)


def test_the_exact_map_solves_all_three_formulations(points):
    x, s, t = points
    residual = flow_map.lagrangian_residual(linear, linear, x, s, t)
    torch.testing.assert_close(residual, torch.zeros_like(x), atol=1e-9, rtol=0)
    target = flow_map.eulerian_target(linear, linear(x, s, s), x, s, t)
    torch.testing.assert_close(target, linear(x, s, t), **EXACT)


def test_of_a_frozen_velocity_the_shortcut_loss_falls_with_the_square_of_the_jump():
    # u without times, linear in x: composing two halves differs by (t - s) / 2 times a constant.
    x = torch.randn(2, 3, 4, 4).double()
    s = torch.zeros(2).double()

    def loss(gap: float) -> float:
        target = flow_map.shortcut_target(lambda y, *_: RATES * y, x, s, s + gap)
        return flow_map.square(RATES * x - target).sum().item()

    assert loss(0.2) / loss(0.1) == pytest.approx(4, rel=1e-9)


def test_without_a_jump_all_formulations_are_the_velocity(points):
    x, s, _ = points
    torch.testing.assert_close(flow_map.shortcut_target(linear, x, s, s), RATES * x, **EXACT)
    torch.testing.assert_close(flow_map.eulerian_target(linear, RATES * x, x, s, s), RATES * x, **EXACT)
    torch.testing.assert_close(
        flow_map.lagrangian_residual(linear, linear, x, s, s), torch.zeros_like(x), atol=1e-12, rtol=0
    )


def test_targets_pass_no_gradient(points):
    x, s, t = points
    rate = torch.ones((), dtype=torch.float64, requires_grad=True)

    def field(y: Tensor, *times: Tensor) -> Tensor:
        return rate * y * across(times[1])

    assert not flow_map.shortcut_target(field, x, s, t).requires_grad
    assert not flow_map.eulerian_target(field, x, x, s, t).requires_grad
    residual = flow_map.lagrangian_residual(field, field, x, s, t)
    # d/d rate of rate x t + (t - s) rate x; the velocity at the end is a constant.
    (gradient,) = torch.autograd.grad(residual.sum(), rate)
    assert gradient.item() == pytest.approx((x * across(2 * t - s)).sum().item())


def test_guidance_takes_a_weight_for_each_sample(points):
    x, s, t = points
    field = flow_map.guided(lambda *_: torch.ones_like(x), lambda *_: torch.zeros_like(x), torch.arange(5.0).double())
    assert field(x, s, t)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


class Growth(nn.Module):
    """u(x, s, t) = x times a small function of both times."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return x * across(self.rate(torch.stack([s, t - s], 1)).squeeze(1))


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_each_formulation_teaches_itself_the_map_of_a_velocity(formulation):
    # dx/dt = -2 x is taught on the diagonal; the jump from end to end, exp(-2) x, is found by self-distillation alone.
    torch.manual_seed(0)
    u, jumps = Growth(), Jumps(formulation)
    optimizer = torch.optim.Adam(u.parameters(), lr=1e-2)
    for step in range(900):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 900)
        x, s = torch.randn(64, 1, 1, 1), jumps.single(64, torch.device("cpu"))
        pairs = jumps.pairs(64, x.device)
        if formulation == "shortcut":
            loss = flow_map.square(u(x, pairs.s, pairs.t) - flow_map.shortcut_target(u, x, pairs.s, pairs.t))
        elif formulation == "lagrangian":
            loss = flow_map.square(flow_map.lagrangian_residual(u, u, x, pairs.s, pairs.t))
        else:
            velocity = u(x, pairs.s, pairs.s).detach()
            loss = flow_map.square(u(x, pairs.s, pairs.t) - flow_map.eulerian_target(u, velocity, x, pairs.s, pairs.t))
        optimizer.zero_grad()
        known = step >= 300  # a network that does not know the velocity yet must not teach itself
        (loss.mean() * known + flow_map.flow_matching(u(x, s, s), 2 * x, 0 * x).mean()).backward()
        optimizer.step()
    one = torch.ones(1, 1, 1, 1)
    with torch.no_grad():
        ends = [flow_map.sample(u, one, steps).item() for steps in (1, 2)]
    assert ends == pytest.approx([math.exp(-2)] * 2, abs=0.08)  # along the velocity: -1 and 0


class Mixed(nn.Module):
    """u(x, s, t) of each value by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return self.layers(torch.stack([x, *(across(v).expand_as(x) for v in (s, t - s))], -1)).squeeze(-1)


def test_only_noise_at_the_start_makes_more_steps_sharper():
    # What is enlarged is 0, the photo -1 or 1 with equal chance: the mean of all photos is 0, and no photo is like it.
    def far_from_the_mean(start: float, bridge: float) -> list[float]:
        torch.manual_seed(0)
        u = Mixed()
        optimizer = torch.optim.Adam(u.parameters(), lr=3e-3)
        for _ in range(500):
            lr, hr = start * torch.randn(64, 1, 4, 4), torch.randn(64, 1, 4, 4).sign()
            s = Jumps(start_share=0.3).single(64, lr.device)
            x = flow_map.interpolant(lr, hr, s, torch.randn_like(lr), bridge)
            optimizer.zero_grad()
            flow_map.flow_matching(u(x, s, s), lr, hr).mean().backward()
            optimizer.step()
        begin = start * torch.randn(16, 1, 4, 4)
        with torch.no_grad():
            return [flow_map.sample(lambda x, s, t: u(x, s, s), begin, n).abs().mean().item() for n in (1, 2, 4, 16)]

    with_noise = far_from_the_mean(0.3, 0.0)
    assert with_noise == sorted(with_noise)
    assert with_noise[0] < 0.2
    assert with_noise[-1] > 0.8
    # A bridge alone, without noise when the model is used, leaves what begins in the middle there.
    assert max(far_from_the_mean(0.0, 0.2)) < 0.3
