"""Golden numbers of LINF, its priors and its latent modules."""

from __future__ import annotations

import pytest
from torch import Tensor

from srcli.geometry import Size
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.network import LINF
from srcli.methods.linf.official import OfficialLinf
from srcli.tiling.model import Sampling
from tests.support import golden
from tests.support.golden import Cases, filled, picture, wave
from tests.support.tiles import whole

EDSR = {"kind": "edsr", "blocks": 1, "features": 8}
PATCHES = {"kind": "linf", "encoder": EDSR, "hidden": 8, "flow_layers": 2, "patch": 3}
ANCHORED = PATCHES | {"anchors": [2, 3]}
FLOWS = {
    "linf-p3": PATCHES,
    "linf-p1": PATCHES | {"patch": 1},
    "linf-anchored": ANCHORED,
    "linf-centred": ANCHORED | {"centred": True},
}
PRIOR = {"kind": "grid-prior", "hidden": 8, "width": 8, "coarse_width": 8, "coarse": 1}
LATENT = {
    "unet-latent": {"width": 8},
    "edsr-latent": {"width": 8, "blocks": 1},
    "swin-latent": {"width": 6, "depths": (2,), "heads": (2,)},
}
SAMPLINGS = {
    "mean": Sampling(detail=0),
    "sampled": Sampling(detail=0, temperature=0.3, seed=2),
    "prior": Sampling(detail=0.7),
}


def latent(kind: str) -> Tensor:
    return filled({"kind": kind, "channels": 27} | LATENT[kind])(wave((1, 27, 9, 12), 2.0, 1.0), picture(9, 11))


def upscaled(flow: str, sampling: str) -> Tensor:
    linf = filled(FLOWS[flow])
    assert isinstance(linf, LINF)
    model = LinfModel(linf, None if flow == "linf-p1" else filled(PRIOR))
    return whole(model, picture(9, 11), Size(25, 31), SAMPLINGS[sampling])


def official() -> Tensor:
    prior = filled({"kind": "unet-latent", "channels": 27, "width": 8})
    return OfficialLinf(filled(PATCHES), prior).upscale(picture(9, 11), 25, 31)


CASES: Cases = {
    **{kind: lambda kind=kind: latent(kind) for kind in LATENT},
    **{
        f"{flow} {sampling}": lambda flow=flow, sampling=sampling: upscaled(flow, sampling)
        for flow in FLOWS
        for sampling in SAMPLINGS
        if (flow, sampling) != ("linf-p1", "prior")
    },
    "linf-lp official": official,
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)
