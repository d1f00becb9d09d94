"""The path of degradation: splines through known levels, and Taylor steps along them."""

from __future__ import annotations

import pytest
import torch

from srcli.flows.degradation_path import (
    Spline,
    reconstruction_loss,
    second_derivatives,
    taylor,
    time_of_scale,
    velocity_loss,
)
from srcli.methods.degflow.model import time_of
from tests.methods.degflow.networks import close


def test_scales_lie_evenly_on_the_path():
    assert time_of_scale(2.5) == 0.5
    assert time_of_scale(torch.tensor([1.0, 2.5, 4.0])).tolist() == [0.0, 0.5, 1.0]
    assert time_of(1.0) == 1e-3  # where the path begins


def test_the_bend_of_three_and_four_knots_is_the_one_by_hand():
    # M_1 = 3 (slope after - slope before) / (h_0 + h_1), with slopes 4 and -1.
    three = second_derivatives(torch.tensor([0.0, 1.0, 0.25]).view(3, 1, 1), torch.tensor([[0.0], [0.25], [1.0]]))
    assert three.flatten().tolist() == pytest.approx([0.0, -15.0, 0.0])
    # Knots 0, 1, 0, 1 at 0 to 3: 4 M_1 + M_2 = -12, M_1 + 4 M_2 = 12.
    four = second_derivatives(torch.tensor([0.0, 1.0, 0.0, 1.0]).view(4, 1, 1), torch.arange(4.0)[:, None])
    assert four.flatten().tolist() == pytest.approx([0.0, -4.0, 4.0, 0.0])
    two = second_derivatives(torch.tensor([0.0, 1.0]).view(2, 1, 1), torch.tensor([[0.0], [1.0]]))
    assert two.flatten().tolist() == [0.0, 0.0]


def test_losses_of_both_stages_have_their_values():
    assert velocity_loss(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0])).item() == 5.0
    made, wanted = torch.tensor([0.0, 0.5]), torch.tensor([0.5, 0.5])
    assert reconstruction_loss(made, wanted).item() == (made * 2 - wanted * 2).square().mean().item() == 0.5


def test_a_taylor_step_with_the_curves_own_velocity_ends_at_the_next_knot():
    torch.manual_seed(0)
    knots, positions = torch.randn(3, 6, 4, 2, 2), torch.tensor([0.0, 0.3, 1.0])
    spline, t = Spline(knots, positions), torch.tensor([0.0, 0.1, 0.29, 0.3, 0.5, 0.99])
    jet = spline(t)
    after = spline.segment(t) + 1
    assert after.tolist() == [1, 1, 1, 2, 2, 2]
    reached = taylor(jet, jet.first, positions[after] - t)
    assert torch.allclose(reached, knots[after, torch.arange(6)], atol=1e-4)
    assert not torch.allclose(taylor(jet, jet.first + 1, positions[after] - t), reached, atol=1e-3)


def test_splines_are_smooth_and_natural():
    torch.manual_seed(1)
    knots, positions = torch.randn(5, 2, 3).double(), torch.tensor([0.0, 0.2, 0.5, 0.6, 1.0]).double()
    spline, least = Spline(knots, positions), 1e-9
    for p, knot in zip(positions[1:-1], knots[1:-1], strict=True):
        before, after = spline((p - least).expand(2)), spline(p.expand(2))
        assert torch.allclose(after.value, knot)
        for name in ("value", "first", "second"):
            assert torch.allclose(getattr(before, name), getattr(after, name), atol=1e-5)
    ends = spline(torch.tensor([0.0, 1.0]).double()).second
    assert ends.abs().max() < 1e-9
    with pytest.raises(ValueError, match="no curve"):
        Spline(knots, positions[:3])


def test_each_sample_may_have_positions_of_its_own():
    knots, t = torch.randn(4, 2, 3, 2, 2), torch.tensor([0.2, 0.7])
    positions = torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.5, 0.6], [1.0, 0.8]])
    both = Spline(knots, positions)
    for i in range(2):
        alone = Spline(knots[:, i : i + 1], positions[:, i])
        assert both.segment(t)[i] == alone.segment(t[i : i + 1])
        for name in ("value", "first", "second", "third"):
            close(getattr(both(t), name)[i : i + 1], getattr(alone(t[i : i + 1]), name), 1e-5)
