"""The extra sd, and the reference's numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data(reference: Path, _diffusers: None) -> Path:
    return reference / "parity" / "flowsr_sd"


@pytest.fixture(scope="session")
def _diffusers() -> None:
    """What the extra sd brings."""
    try:
        import diffusers  # noqa: F401
    except ImportError:
        if os.environ.get("SRCLI_REQUIRE_REFERENCE"):
            pytest.fail("no diffusers: pip install 'srcli[sd]'")
        pytest.skip("needs the extra sd")
