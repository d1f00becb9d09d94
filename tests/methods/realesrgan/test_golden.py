"""Golden numbers of Real-ESRGAN's networks."""

from __future__ import annotations

import pytest

from tests.support import golden
from tests.support.golden import Cases, filled, picture

CASES: Cases = {
    "esrgan": lambda: filled({"kind": "esrgan", "blocks": 1, "features": 8, "growth": 4, "scale": 2})(picture(10, 12)),
    "compact": lambda: filled({"kind": "compact", "width": 8, "convs": 2, "scale": 3})(picture(10, 12)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    golden.check(__file__, CASES, name)
