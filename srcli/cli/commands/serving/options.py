"""Options of both the page and the server."""

from __future__ import annotations

from typing import Annotated

import typer

from srcli.cli.usage.command import model_names

LIMITS = "Limits"
HOST = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 lets other machines in.")]
PORT = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]
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
MAX_UPLOAD = Annotated[
    float, typer.Option("--max-upload", min=0.001, help="Largest file, in megabytes.", rich_help_panel=LIMITS)
]
MAX_PIXELS = Annotated[
    float, typer.Option("--max-pixels", min=0, help="Largest picture, in megapixels.", rich_help_panel=LIMITS)
]
MAX_RESULT = Annotated[
    float, typer.Option("--max-result", min=0, help="Largest result, in megapixels.", rich_help_panel=LIMITS)
]
QUEUE = Annotated[int, typer.Option("--queue", min=1, help="Pictures that may wait.", rich_help_panel=LIMITS)]
