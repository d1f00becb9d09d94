"""ODE solvers: right at every time, of their order, and stopped where fields are rough."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from srcli.flows.ode import Solver, TooRough


def spiral(z: torch.Tensor, t: float) -> torch.Tensor:
    """dz/dt = (1 + t) J z: turns by t + t^2 / 2."""
    return (1 + t) * torch.stack([-z[1], z[0]])


@pytest.mark.parametrize(("solver", "error"), [(Solver(), 5e-5), (Solver("rk4", 40), 2e-5)])
def test_solvers_give_the_path_at_all_times(solver, error):
    times = [0.0, 0.013, 0.5, 0.77, 2.0]
    found = solver(spiral, torch.tensor([1.0, 0.0]), 0.0, 2.0, times)
    for t, state in zip(times, found.states, strict=True):
        angle = t + t * t / 2
        assert state.tolist() == pytest.approx([math.cos(angle), math.sin(angle)], abs=error)
    alone = solver(spiral, torch.tensor([1.0, 0.0]), 0.0, 2.0, [0.77])
    assert torch.equal(alone.states[0], found.states[3])  # whatever else is asked for


def test_adaptive_steps_are_those_of_scipy_also_where_some_are_rejected():

    def bump(t: float) -> float:
        return 40 * math.exp(-(((t - 0.6) / 0.02) ** 2)) + 5 * (t > 0.3)

    times = [0.2, 0.59, 0.61, 1.0]
    found = Solver()(lambda z, t: bump(t) * torch.cos(z + t), torch.tensor([0.3, 1.0]), 0.0, 1.0, times)
    wanted = integrate.solve_ivp(
        lambda t, z: bump(t) * np.cos(z + t), (0.0, 1.0), [0.3, 1.0], t_eval=times, rtol=1e-5, atol=1e-5
    )
    assert found.evaluations == wanted.nfev
    assert torch.allclose(torch.stack(found.states, 1), torch.from_numpy(wanted.y), atol=1e-7)


def test_rk4_is_of_fourth_order():
    def error(steps: int) -> float:
        state = Solver("rk4", steps)(spiral, torch.tensor([1.0, 0.0]), 0.0, 2.0, [2.0]).states[0]
        return math.dist(state.tolist(), (math.cos(4), math.sin(4)))

    assert 3.5 < math.log2(error(20) / error(40)) < 4.5


def test_rough_and_broken_fields_end():
    torch.manual_seed(0)
    with pytest.raises(TooRough, match="use rk4"):
        Solver(most=200)(lambda z, t: torch.randn_like(z), torch.zeros(50), 0.0, 1.0, [1.0])
    with pytest.raises(TooRough, match="not finite"):
        Solver()(lambda z, t: z * math.nan if t > 0.5 else z, torch.ones(3), 0.0, 1.0, [1.0])
    with pytest.raises(ValueError, match="increasing times"):
        Solver()(spiral, torch.zeros(2), 0.0, 1.0, [0.5, 0.2])
    with pytest.raises(ValueError, match="unknown solver"):
        Solver("euler")
