"""`srcli serve`: models loaded once, pictures by HTTP or by lines of JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.commands.serving import check_address, end_by_sigterm
from srcli.cli.commands.serving import options as serving
from srcli.cli.shared import options
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, fetch_models

if TYPE_CHECKING:
    from srcli.serve.workers import Pool

EXAMPLES = """Examples:\n
  srcli serve\n
  srcli serve -n linf-lp-s -n flowmap-s --device 0,1 --port 8080\n
  curl --data-binary @photo.jpg 'http://127.0.0.1:8000/upscale?scale=3.5&name=photo.jpg' -o large.jpg\n
  cat requests.jsonl | srcli serve --stdio > records.jsonl"""
GRACE = 30  # seconds for requests in work when the server is ended


def command(
    host: serving.HOST = "127.0.0.1",
    port: serving.PORT = 8000,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="No HTTP: read requests as lines of JSON, write records as lines of JSON.")
    ] = False,
    models: serving.MODELS = None,
    manifest: MANIFEST = None,
    canary: Annotated[
        str, typer.Option("--canary", help="SHA-256 that /healthz must find.", show_default="the one at the start")
    ] = "",
    max_upload: serving.MAX_UPLOAD = 64.0,
    max_pixels: serving.MAX_PIXELS = 50.0,
    max_result: serving.MAX_RESULT = 200.0,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, help="Seconds from a request to its answer.", rich_help_panel=serving.LIMITS),
    ] = 600.0,
    queue: serving.QUEUE = 20,
    device: Annotated[
        str,
        typer.Option(
            "-g", "--device", help="As of srcli upscale, with commas for several: 0,1.", rich_help_panel=options.MACHINE
        ),
    ] = "auto",
    precision: options.PRECISION = "auto",
    threads: options.THREADS = None,
    max_memory: options.MAX_MEMORY = None,
    quiet: options.QUIET = False,
    debug: options.DEBUG = False,
) -> None:
    """Keep models loaded, one worker a device, and enlarge pictures by HTTP: POST /upscale, GET /healthz, /metrics.

    Needs pip install 'srcli\\[serve]'. It listens on this machine alone unless you say otherwise and asks for no
    password: put a server that does in front of it where others can reach it.
    """
    output = Output(json=stdio, quiet=quiet)
    with errors(debug, stdio):
        from srcli import runtime
        from srcli.service import Limits, Models
        from srcli.weights import extras

        extras.require("serve", "srcli serve")
        from srcli.serve.workers import Pool

        if not stdio:
            check_address(host, port)
        end_by_sigterm()
        runtime.reuse_heap()
        runtime.set_threads(threads)
        fetch_models(models or [None], output)
        names = models or [manifest_default()]
        limits = Limits(
            bytes=int(max_upload * 1e6), pixels=int(max_pixels * 1e6), result=int(max_result * 1e6), seconds=timeout
        )
        each = {"precision": precision, "max_memory": options.bytes_of(max_memory)}
        pool = Pool(
            [Models(names, device=name.strip(), **each) for name in device.split(",")],
            limits, queue=queue, expected=canary,
        )  # fmt: skip
        try:
            code = _lines(pool, output) if stdio else _http(pool, output, host, port)
        finally:
            pool.close()
    sys.exit(code)


def manifest_default() -> str:
    """The name of the default model."""
    from srcli.weights import manifest

    return manifest.load().model(None).name


def _lines(pool: Pool, output: Output) -> int:
    from srcli.serve import lines

    return lines.run(iter(sys.stdin.buffer.readline, b""), output.record, pool)


def _http(pool: Pool, output: Output, host: str, port: int) -> int:
    import uvicorn

    from srcli.serve import app

    server = uvicorn.Server(
        uvicorn.Config(
            app.build(pool, host=host), host=host, port=port, log_level="warning", access_log=False,
            server_header=False, timeout_graceful_shutdown=GRACE,
        )
    )  # fmt: skip
    devices = ", ".join(worker.device for worker in pool.workers)
    output.say(f"http://{host}:{port} on {devices} (Ctrl-C ends it)")
    server.run()
    return 0 if server.started else 1
