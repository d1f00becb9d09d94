"""Memory and threads."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
import torch

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


@pytest.fixture
def _intel(monkeypatch):
    """A machine with two Intel GPUs."""
    answers = {"is_available": True, "device_count": 2, "is_bf16_supported": True, "get_device_name": "Intel Arc B580"}
    for name, answer in answers.items():
        monkeypatch.setattr(torch.xpu, name, lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr(torch.xpu, "mem_get_info", lambda *_: (8 * GIB, 12 * GIB))
    monkeypatch.setattr(torch.xpu, "memory_reserved", lambda *_: 3 * GIB)
    monkeypatch.setattr(torch.xpu, "memory_allocated", lambda *_: GIB)


@pytest.mark.usefixtures("_intel")
def test_gpus_of_intel():
    assert runtime.find_device("auto") == torch.device("xpu")
    chosen = runtime.choose("xpu:1")
    assert (str(chosen.device), chosen.precision) == ("xpu:1", "bf16")
    assert runtime.device_name(chosen.device) == "Intel Arc B580"
    assert runtime.strip_budget(chosen) == (8 + 2) * GIB // 4 * 2
    with pytest.raises(runtime.DeviceError, match="'xpu:2' is not available"):
        runtime.find_device("xpu:2")


def test_without_one_xpu_is_not_available():
    with pytest.raises(runtime.DeviceError, match="'xpu' is not available"):
        runtime.find_device("xpu")
