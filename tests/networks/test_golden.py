"""Golden numbers of the encoders that methods share, and that every network has some."""

from __future__ import annotations

import pytest

from srcli.methods.registry import architectures
from tests.support import golden
from tests.support.golden import Cases, filled, picture

ENCODERS = {
    "edsr": {"kind": "edsr", "blocks": 1, "features": 8},
    "rrdb": {"kind": "rrdb", "blocks": 1, "features": 8, "growth": 4},
    "rdn": {"kind": "rdn", "blocks": 2, "layers": 2, "features": 8, "growth": 6},
    "swinir": {"kind": "swinir", "dim": 8, "depths": (2,), "heads": (2,), "window": 4, "features": 6, "image": 8},
}
CASES: Cases = {
    name: lambda architecture=architecture: filled(architecture)(picture(9, 11))
    for name, architecture in ENCODERS.items()
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)


def test_every_network_is_covered():
    cases = {name for test in golden.tests() for name in golden.table(str(test))}
    covered = {name.split()[0].split("-p")[0] for name in cases}
    # Those of LPIPS are measured against reference numbers; those of spandrel are its own.
    assert set(architectures()) - {"grid-prior", "level-prior", "trunk", "lpips-heads", "spandrel"} <= covered
    assert {"linf-p3 prior", "level-prior"} <= cases
