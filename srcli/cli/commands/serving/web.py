"""`srcli web`: a page that enlarges pictures."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from srcli.cli.commands.serving import check_address, end_by_sigterm
from srcli.cli.commands.serving import options as serving
from srcli.cli.shared import options
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, fetch_models

EXAMPLES = """Examples:\n
  srcli web\n
  srcli web --port 8080 -n auto -n flowmap-s\n
  srcli web --host 0.0.0.0 --max-pixels 25 --max-upload 20"""


def command(
    host: serving.HOST = "127.0.0.1",
    port: serving.PORT = 7860,
    share: Annotated[
        bool,
        typer.Option("--share", help="Also get a public address from Gradio; pictures pass through its servers."),
    ] = False,
    models: serving.MODELS = None,
    manifest: MANIFEST = None,
    max_upload: serving.MAX_UPLOAD = 64.0,
    max_pixels: serving.MAX_PIXELS = 50.0,
    max_result: serving.MAX_RESULT = 200.0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds for one picture.", rich_help_panel=serving.LIMITS)
    ] = 600.0,
    queue: serving.QUEUE = 20,
    device: options.DEVICE = "auto",
    precision: options.PRECISION = "auto",
    threads: options.THREADS = None,
    max_memory: options.MAX_MEMORY = None,
    quiet: options.QUIET = False,
    debug: options.DEBUG = False,
) -> None:
    """Serve a page in the browser: drop a picture, compare before and after, download the result.

    Needs pip install 'srcli\\[web]'. It listens on this machine alone unless you say otherwise, loads nothing from
    elsewhere and asks for no password: put a server that does in front of it where others can reach it.
    """
    output = Output(quiet=quiet)
    with errors(debug):
        from srcli import runtime
        from srcli.service import Limits
        from srcli.web.server import Settings, running
        from srcli.weights import extras

        extras.require("web", "srcli web")
        check_address(host, port)
        end_by_sigterm()
        runtime.reuse_heap()
        runtime.set_threads(threads)
        fetch_models(models or [None], output)
        limits = Limits(
            bytes=int(max_upload * 1e6), pixels=int(max_pixels * 1e6), result=int(max_result * 1e6), seconds=timeout
        )
        upscaling = {"device": device, "precision": precision, "max_memory": options.bytes_of(max_memory)}
        settings = Settings(
            host=host, port=port, share=share, models=tuple(models or ()), limits=limits, queue=queue, options=upscaling
        )
        with running(settings) as address:
            output.say(f"{address} (Ctrl-C ends it)")
            threading.Event().wait()
