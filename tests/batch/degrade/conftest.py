"""Both modes of `srcli degrade`, and a folder of photos for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.degrade.steps import PRESET
from tests.support.degrading import saved

ENGINES = ["light", "degflow"]


@pytest.fixture
def learned(tiny_degflow) -> list[str]:
    """Options that make a run one of the learned path."""
    files = ["--autoencoder", str(tiny_degflow.autoencoder), "--flow", str(tiny_degflow.flow)]
    return [*files, "--solver", "rk4", "--steps", "1", "--threads", "1"]


@pytest.fixture(params=ENGINES)
def engine(request, learned) -> tuple[str, list[str]]:
    """What names carry, and the options."""
    return request.param, PRESET if request.param == "light" else learned


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four photos, one of them below."""
    for name in ("a.png", "b.png", "c.jpg", "sub/d.png"):
        saved(tmp_path / "in" / name, 66, 70)
    return tmp_path / "in"
