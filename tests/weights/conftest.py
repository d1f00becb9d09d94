"""A web server, a machine without weights, and files of DegFlow as they are published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.weights.degflow_layouts import State, public_files, state_dicts
from tests.weights.server import running


@pytest.fixture(scope="module")
def published(reference) -> dict[str, Path]:
    return public_files(reference)


@pytest.fixture(scope="module")
def states(published) -> dict[str, State]:
    return state_dicts(published)


@pytest.fixture
def server():
    """A web server on the loopback."""
    with running() as made:
        yield made


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A machine of its own."""
    for name, value in {"SRCLI_HOME": "home", "XDG_CONFIG_HOME": "config", "HF_HOME": "hf"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("SRCLI_MANIFEST", "SRCLI_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
