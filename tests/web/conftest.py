"""A page on loopback, and visitors."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec

import pytest

from tests.support.ports import free_port

MODELS = ("auto", "linf-lp-s", "flowmap-s", "bicubic")


@pytest.fixture(scope="session")
def _gradio() -> None:
    if find_spec("gradio") is None:
        if os.environ.get("SRCLI_REQUIRE_WEB"):
            pytest.fail("no Gradio")
        pytest.skip("needs Gradio (pip install srcli[web])")


@pytest.fixture(scope="session")
def called():
    """Names of other machines that this process has looked up or connected to since the page began."""
    names: list[str] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def noting(host, *args, **settings):
        names.append(host if isinstance(host, str) else str(host))
        return look_up(host, *args, **settings)

    def connecting(self, where):
        names.append(str(where[0]) if isinstance(where, tuple) else "localhost")
        return connect(self, where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", noting)
        patch.setattr(socket.socket, "connect", connecting)
        yield names


@pytest.fixture(scope="session")
def address(_gradio, called):
    """Of a running page, with small limits."""
    from srcli.service import Limits
    from srcli.web.server import Settings, running

    options = {"device": "cpu", "precision": "fp32"}
    limits = Limits(bytes=4_000_000, pixels=20_000_000)
    with running(Settings(port=free_port(), models=MODELS, limits=limits, options=options)) as found:
        yield found.rstrip("/")


@pytest.fixture
def visit(browser, address):
    """Opens the page as another visitor. None may load anything from elsewhere, nor see an error of a script."""
    opened, wrong = [], []

    def enter(width: int = 1400, height: int = 900, **settings):
        page = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **settings
        ).new_page()
        page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("#go")
        opened.append(page)
        return page

    yield enter
    for page in opened:
        page.context.close()
    assert wrong == []
