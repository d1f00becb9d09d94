"""A server on loopback."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from tests.support.ports import free_port


@pytest.fixture(scope="session", autouse=True)
def _serve() -> None:
    if find_spec("fastapi") is None or find_spec("prometheus_client") is None:
        if os.environ.get("SRCLI_REQUIRE_SERVE"):
            pytest.fail("no FastAPI or no prometheus-client")
        pytest.skip("needs FastAPI and prometheus-client (pip install srcli[serve])")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a server with limits; gives its address and its pool. It must leave no file behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    running = []

    def started(*names: str, workers: int = 1, queue: int = 4, **limits):
        import uvicorn

        from srcli.serve import app
        from srcli.serve.workers import Pool
        from srcli.service import Limits, Models

        models = [Models(names or ("linf-lp-s",), device="cpu", precision="fp32") for _ in range(workers)]
        pool = Pool(models, Limits(**limits), queue=queue)
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app.build(pool), port=port, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread, pool))
        while not server.started:
            assert thread.is_alive()
        return f"http://127.0.0.1:{port}", pool

    yield started
    for server, thread, pool in running:
        server.should_exit = True
        thread.join(20)
        pool.close()
    assert list((tmp_path / "temporary").iterdir()) == []


@contextmanager
def held(pool):
    """Workers that begin a picture wait until the block ends."""
    from srcli.serve import workers

    gate, whole = threading.Event(), workers.enlarge

    def waiting(*args, **settings):
        gate.wait(30)
        return whole(*args, **settings)

    workers.enlarge = waiting
    try:
        yield gate
    finally:
        gate.set()
        workers.enlarge = whole
