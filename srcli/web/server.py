"""Run the page's server."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from srcli.service import Limits, Models
from srcli.weights import extras, manifest, store

PORT = 7860


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the page is served.

    models: names that visitors may choose, the first by default; empty: all that are installed, `auto` first.
    share: whether Gradio lends a public address, through its servers.
    queue, at_once: pictures that may wait, and that are in work.
    options: of `Upscaler`.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    share: bool = False
    models: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    queue: int = 20
    at_once: int = 1
    options: dict[str, Any] = field(default_factory=dict)


def installed() -> tuple[str, ...]:
    """All models on this machine that enlarge pictures, the default first."""
    known = manifest.load()
    found = [name for name, entry in known.entries.items() if entry.enlarges and not store.missing(entry)]
    return tuple(dict.fromkeys((known.find(None).name, *found)))


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """Serve the page until the block ends. Gives its address. Raises SrcliError."""
    extras.require("web", "srcli web")
    with tempfile.TemporaryDirectory(prefix="srcli-web-", ignore_cleanup_errors=True) as folder, _quiet(folder):
        from starlette.middleware import Middleware

        from srcli.web import page
        from srcli.web.desk import Desk
        from srcli.web.guard import Guard

        desk = Desk(Models(settings.models or installed(), **settings.options), settings.limits)
        blocks = page.build(desk, queue=settings.queue, at_once=settings.at_once)
        try:
            _, local, shared = blocks.launch(
                server_name=settings.host, server_port=settings.port, share=settings.share,
                prevent_thread_lock=True, quiet=True, show_error=False, ssr_mode=False, pwa=False, mcp_server=False,
                run_history=False, enable_monitoring=False, footer_links=["api", "settings"],
                max_file_size=settings.limits.bytes, allowed_paths=[],
                theme=page.theme(), css=page.CSS,
                app_kwargs={"middleware": [Middleware(Guard, policy=not settings.share)]},
            )  # fmt: skip
            yield shared or local
        finally:
            blocks.close(verbose=False)


@contextmanager
def _quiet(folder: str) -> Iterator[None]:
    """Gradio keeps its files in a folder, and tells nobody that it runs."""
    wanted = {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            with contextlib.suppress(KeyError):
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
