"""Fixtures of several rooms: the reference data, a browser, a generator of degradations, and a trunk."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import children
from tests.support.places import REFERENCE

# One thread, here and in programs that tests start: the networks are small, and two threads that wait for each other on
# a busy machine take ten times as long. Torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    children.end_all()


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, even if the tests run as a background job, in which it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Numerical fixtures of the reference implementations; not part of the project."""
    if not (REFERENCE / "parity").is_dir():
        if os.environ.get("SRCLI_REQUIRE_REFERENCE"):
            pytest.fail(f"the reference data must be at {REFERENCE}")
        pytest.skip("the reference data is not beside the project")
    return REFERENCE


@pytest.fixture(scope="session")
def tiny_degflow(tmp_path_factory):
    """The files of a generator of degradations with random weights, of the kind that we train."""
    from safetensors.torch import save_file

    from srcli.degrader import Parts
    from tests.methods.degflow.networks import SMALL_AE, SMALL_FLOW, lively

    folder = tmp_path_factory.mktemp("degflow")
    for name, architecture in (("ae", SMALL_AE), ("flow", SMALL_FLOW | {"tileable": True})):
        about = {"architecture": json.dumps(architecture)}
        save_file(lively(architecture).state_dict(), folder / f"{name}.safetensors", about)
    return Parts("degflow", folder / "ae.safetensors", folder / "flow.safetensors")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, driven by Playwright."""
    program = next((p for p in ("chromium", "chromium-browser", "google-chrome") if shutil.which(p)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if program is None or sync_playwright is None:
        if os.environ.get("SRCLI_REQUIRE_BROWSER"):
            pytest.fail("no Chromium or no Playwright")
        pytest.skip("needs Chromium and Playwright (pip install srcli[browser])")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=shutil.which(program), args=flags)
        yield running
        running.close()


@pytest.fixture(scope="session")
def trunk(tmp_path_factory) -> Path:
    """A file of SqueezeNet's features with random weights, for perceptual losses."""
    import torch
    from safetensors.torch import save_file

    from srcli.networks.trunks import squeezenet

    file = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    torch.manual_seed(0)
    save_file(squeezenet().state_dict(), file)
    return file
