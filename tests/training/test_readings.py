"""Numbers that are read late are the same, and what is not finite is told with its step."""

from __future__ import annotations

import pytest
import torch

from srcli.training.optimizer import Diverged
from srcli.training.readings import Readings


@pytest.mark.parametrize("late", [True, False])
def test_values_come_back_step_by_step(late):
    readings = Readings(late)
    for n in range(3):
        readings.check("the loss", torch.tensor(1.0 + n), n)
        readings.add({"pixel": torch.tensor(0.5 * n), "adversary": 0.25})
    assert readings.read() == [{"pixel": 0.5 * n, "adversary": 0.25} for n in range(3)]
    assert readings.read() == []


def test_the_first_number_that_is_not_finite_is_told_late():
    readings = Readings(late=True)
    for n, number in enumerate((1.0, float("nan"), float("inf"))):
        readings.check("the loss of network", torch.tensor(number), n)
        readings.add({"pixel": torch.tensor(number)})
    with pytest.raises(Diverged, match="the loss of network is nan at step 1;"):
        readings.read()


def test_a_number_that_is_not_finite_is_told_at_once_on_a_cpu():
    with pytest.raises(Diverged, match="the loss is inf at step 4"):
        Readings(late=False).check("the loss", torch.tensor(float("inf")), 4)
