"""A page of a blind comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.report.steps import MODELS, compare
from tests.support.places import EXAMPLES


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """Two small photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("cat.png", "coffee.jpg"):
        Image.open(EXAMPLES / name).convert("RGB").resize((72, 48)).save(folder / f"{Path(name).stem}.png")
    return folder


@pytest.fixture(scope="session")
def theirs(photos, tmp_path_factory) -> Path:
    """Results of another tool: all red."""
    folder = tmp_path_factory.mktemp("other") / "theirs"
    folder.mkdir()
    for path in photos.iterdir():
        Image.new("RGB", (144, 96), "red").save(folder / f"{path.stem}_x2.png")
    return folder


@pytest.fixture(scope="session")
def page(photos, theirs, tmp_path_factory) -> Path:
    """Three candidates, two pictures: six pairs."""
    out = tmp_path_factory.mktemp("page")
    result = compare("--blind", photos, *MODELS, "--score", theirs, "--crop", 64, "--seed", 3, "-o", out / "votes")
    assert result.exit_code == 0, result.output
    assert "6 pairs of 2 pictures" in result.output
    return out / "votes" / "index.html"
