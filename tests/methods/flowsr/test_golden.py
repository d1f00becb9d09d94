"""Golden numbers of the velocity network and of FlowSR's steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from srcli.geometry import Size
from srcli.methods.flowsr.model import FlowsrModel
from srcli.tiling.model import Sampling
from tests.support import golden
from tests.support.golden import Cases, filled, picture
from tests.support.tiles import whole

VELOCITY = {
    "kind": "velocity", "width": 8, "before": 1, "after": 1, "coarse_width": 8, "coarse": 1, "times": 8,
}  # fmt: skip
T, S, DETAIL = torch.tensor([0.7]), torch.tensor([0.2]), torch.tensor([0.5])


def velocity(width: int, *times: Tensor, **parameters: int) -> Tensor:
    return filled(VELOCITY | parameters)(picture(16, width) * 2 - 1, *times)


CASES: Cases = {
    "velocity without levels": lambda: velocity(20, T, coarse=0, thin=0, before=2),
    "velocity": lambda: velocity(24, T),
    "velocity to s": lambda: velocity(24, T, S, DETAIL),
    "velocity flowsr": lambda: whole(FlowsrModel(filled(VELOCITY)), picture(9, 11), Size(25, 31), Sampling(steps=2)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)
