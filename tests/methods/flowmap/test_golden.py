"""Golden numbers of the flow map: its network told of a bad picture, and its steps with the LoRA."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from srcli.geometry import Size
from srcli.methods.flowmap.model import FlowmapModel
from srcli.tiling.model import Sampling
from tests.support import golden
from tests.support.golden import Cases, filled, picture
from tests.support.tiles import whole

VELOCITY = {
    "kind": "velocity", "width": 8, "before": 1, "after": 1, "coarse_width": 8, "coarse": 1, "times": 8,
}  # fmt: skip


def model() -> FlowmapModel:
    return FlowmapModel(filled(VELOCITY | {"quality": True}), filled({"kind": "lora", "rank": 2, "network": VELOCITY}))


def negative() -> Tensor:
    t, s = torch.tensor([0.7]), torch.tensor([0.2])
    return model().network(picture(16, 24) * 2 - 1, t, s, quality=torch.zeros(1))


CASES: Cases = {
    "velocity negative": negative,
    "lora flowmap": lambda: whole(model(), picture(9, 11), Size(25, 31), Sampling(steps=2, detail=1.5)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)
