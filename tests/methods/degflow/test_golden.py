"""Golden numbers of DegFlow's autoencoder and flow."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import golden
from tests.support.golden import Cases, filled, picture, wave


def velocity(**parameters: object) -> Tensor:
    flow = filled({"kind": "ncsnpp", "nf": 8, "ch_mult": [1, 2], "num_res_blocks": 1} | parameters)
    return flow(wave((1, 4, 8, 8), 1.0, 1.0), torch.tensor([0.4]))


CASES: Cases = {
    "degflow-ae": lambda: filled({"kind": "degflow-ae", "base_dim": 4})(picture(16, 24), picture(16, 24).flip(3)),
    "ncsnpp": velocity,
    "ncsnpp tileable": lambda: velocity(tileable=True),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)
