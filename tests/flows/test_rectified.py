"""The equations of the consistency rectified flow in numbers that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from srcli.flows import rectified
from srcli.flows.broadcast import across

CPU = torch.device("cpu")


def test_the_path_leads_from_the_photo_to_the_small_picture():
    hr, lr = torch.full((3, 3, 2, 2), 10.0), torch.full((3, 3, 2, 2), 2.0)
    x = rectified.interpolate(hr, lr, torch.tensor([0.0, 0.25, 1.0]))
    assert x[:, 0, 0, 0].tolist() == [10.0, 8.0, 2.0]


def test_the_true_velocity_leads_to_the_photo_from_any_time():
    torch.manual_seed(0)
    hr, lr, t = *torch.randn(2, 4, 3, 5, 5), torch.tensor([0.0, 0.3, 0.7, 1.0])
    x = rectified.interpolate(hr, lr, t)
    torch.testing.assert_close(rectified.endpoint(x, lr - hr, t), hr)
    assert torch.equal(rectified.endpoint(x, torch.ones_like(x), t)[0], x[0])  # at time 0 whatever the velocity
    earlier = t / 2
    there = rectified.interpolate(hr, lr, earlier)
    torch.testing.assert_close(rectified.euler_step(x, lr - hr, t, earlier), there)


def test_a_step_to_time_zero_is_the_endpoint():
    x, v, t = *torch.randn(2, 2, 3, 4, 4), torch.tensor([0.2, 1.0])
    assert torch.equal(rectified.euler_step(x, v, t, torch.zeros(2)), rectified.endpoint(x, v, t))


def test_the_loss_of_the_flow_is_the_mean_square():
    end, hr = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    assert rectified.flow_loss(end, hr).item() == 2.5


def l1(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def test_the_consistency_loss_compares_both_times_and_its_regulariser_the_photo():
    later, target, earlier, hr = (across(torch.tensor([v])).requires_grad_() for v in (1.0, 4.0, 6.0, 5.5))
    assert rectified.consistency_loss(later, target, l1).item() == 3.0
    loss = rectified.hr_regularised_consistency_loss(later, target, earlier, hr, l1)
    assert loss.item() == 3.5
    loss.backward()
    assert target.grad is None  # the moving average learns from nothing
    assert [later.grad.item(), earlier.grad.item()] == [-1.0, 1.0]


def test_all_four_ends_on_the_photo_cost_nothing():
    hr = torch.randn(2, 3, 4, 4)
    assert rectified.hr_regularised_consistency_loss(hr, hr, hr, hr, l1).item() == 0


def test_one_interval_begins_at_the_small_picture():
    later, earlier = rectified.fast_slow_pairs(1000, 1, 10, CPU)
    assert later.unique().tolist() == [1.0]
    assert (earlier * 10).round().unique().tolist() == list(range(1, 10))


def test_fast_and_slow_times_alternate():
    """Two intervals of a grid of 4: the slow times are 1/4 and 3/4, the fast ones 1/2 and 1."""
    later, earlier = rectified.fast_slow_pairs(2000, 2, 4, CPU)
    found = set(zip((later * 4).tolist(), (earlier * 4).tolist(), strict=True))
    from_fast, from_slow = {(2.0, 1.0), (4.0, 3.0)}, {(3.0, 2.0), (4.0, 2.0)}
    assert found == from_fast | from_slow


@pytest.mark.parametrize(("length", "pairs"), [(1, [(2, 1), (3, 2), (4, 3)]), (2, [(4, 2)])])
def test_neighbours_are_one_step_of_their_grid_apart(length, pairs):
    later, earlier = rectified.neighbouring_pairs(500, 4, CPU, length)
    assert sorted(set(zip((later * 4).tolist(), (earlier * 4).tolist(), strict=True))) == pairs
