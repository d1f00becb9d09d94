"""Fixtures: where the reference data lies, and tiny networks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Numerical fixtures of the reference implementations; not part of the project."""
    if not (REFERENCE / "parity").is_dir():
        if os.environ.get("SRCLI_REQUIRE_REFERENCE"):
            pytest.fail(f"the reference data must be at {REFERENCE}")
        pytest.skip("the reference data is not beside the project")
    return REFERENCE
