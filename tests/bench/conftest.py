"""Photos to measure."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.places import EXAMPLES


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("cat.png", "coffee.jpg"):
        shutil.copy(EXAMPLES / name, folder)
    return folder
