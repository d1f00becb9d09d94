"""`srcli web`: a page that enlarges pictures."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from srcli.cli.commands.serving import check_address, end_by_sigterm
from srcli.cli.shared import options
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, fetch_models
from srcli.cli.usage.command import model_names

EXAMPLES = """Examples:\n
  srcli web\n
  srcli web --port 8080 -n auto -n flowmap-s\n
  srcli web --host 0.0.0.0 --max-pixels 25 --max-upload 20"""
LIMITS = "Limits"
MODELS = Annotated[
    list[str] | None,
    typer.Option(
        "-n",
        "--model",
        help="A model to choose from, the first by default; repeat for more.",
        show_default="all that are installed",
        autocompletion=model_names,
    ),
]


def command(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    share: Annotated[
        bool,
        typer.Option("--share", help="Also get a public address from Gradio; pictures pass through its servers."),
    ] = False,
    models: MODELS = None,
    manifest: MANIFEST = None,
    max_upload: Annotated[
        float, typer.Option("--max-upload", min=0.001, help="Largest file, in megabytes.", rich_help_panel=LIMITS)
    ] = 64.0,
    max_pixels: Annotated[
        float, typer.Option("--max-pixels", min=0, help="Largest picture, in megapixels.", rich_help_panel=LIMITS)
    ] = 50.0,
    max_result: Annotated[
        float, typer.Option("--max-result", min=0, help="Largest result, in megapixels.", rich_help_panel=LIMITS)
    ] = 200.0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds for one picture.", rich_help_panel=LIMITS)
    ] = 600.0,
    queue: Annotated[int, typer.Option("--queue", min=1, help="Pictures that may wait.", rich_help_panel=LIMITS)] = 20,
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
