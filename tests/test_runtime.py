"""Memory and threads."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from srcli import runtime

GIB = 2**30


@pytest.fixture
def _free(monkeypatch):
    """A machine with 24 GiB left, whatever the system."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=24 * GIB))


@pytest.mark.usefixtures("_free")
def test_free_memory_is_the_systems(monkeypatch):
    """Also where there is no /proc, as on macOS and Windows, which counted as 4 GiB."""
    monkeypatch.setattr(runtime, "_container_limit", lambda: 10**18)
    assert runtime.free_memory() == 24 * GIB


@pytest.mark.usefixtures("_free")
@pytest.mark.parametrize(("limit", "free"), [(8 * GIB, 5 * GIB), (100 * GIB, 24 * GIB)])
def test_a_containers_limit_counts_where_it_is_lower(tmp_path, monkeypatch, limit, free):
    files = {"memory.max": limit, "memory.current": 4 * GIB, "memory.stat": f"anon 1\ninactive_file {GIB}"}
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    limited = runtime._container_limit
    monkeypatch.setattr(runtime, "_container_limit", lambda: limited(tmp_path))
    assert runtime.free_memory() == free


@pytest.mark.usefixtures("_free")
def test_a_container_without_a_limit_has_all_of_the_memory(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("max\n")
    limited = runtime._container_limit
    monkeypatch.setattr(runtime, "_container_limit", lambda: limited(tmp_path))
    assert runtime.free_memory() == 24 * GIB
