"""Golden numbers of SRFlow and its priors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from srcli.geometry import Size
from srcli.methods.srflow.model import SRFlowModel
from srcli.methods.srflow.official import OfficialSRFlow
from srcli.tiling.model import Sampling
from tests.support import golden
from tests.support.golden import Cases, filled, picture, wave
from tests.support.tiles import decoded

RRDB = {"blocks": 1, "features": 8, "growth": 4, "stacked": [0]}
SRFLOW = {"kind": "srflow", "steps": 1, "hidden": 8} | RRDB
CENTRED = SRFLOW | {"centred": True}
UNET = {"kind": "srflow-unet", "width": 8}
PRIOR = {"kind": "level-prior", "condition": 16, "width": 8}


def predicted(made: list[Tensor]) -> Tensor:
    return torch.cat([z.flatten() for z in made])


def upscaled(sampling: Sampling) -> Tensor:
    model = SRFlowModel(filled(CENTRED), filled(PRIOR))
    made = decoded(model, picture(10, 12), Size(33, 40), sampling)
    assert not made.exploded  # repaired patches would say nothing of the network
    return made.picture


CASES: Cases = {
    "srflow-rrdb": lambda: filled({"kind": "srflow-rrdb"} | RRDB)(picture(10, 12)),
    "srflow": lambda: OfficialSRFlow(filled(SRFLOW)).upscale(picture(10, 12), temperature=0.0),
    "srflow-unet": lambda: predicted(filled(UNET)([wave((1, 6, 20, 24), 2.0, 1.0), wave((1, 96, 8, 8), 3.0, 1.0)])),
    "srflow-lp official": lambda: OfficialSRFlow(filled(SRFLOW), filled(UNET)).upscale(picture(16, 16)),
    "level-prior": lambda: predicted(filled(PRIOR)(filled(CENTRED).features(picture(10, 12)))),
    "srflow sampled": lambda: upscaled(Sampling(detail=0, temperature=0.3, seed=2)),
    "srflow prior": lambda: upscaled(Sampling(detail=0.15)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)
