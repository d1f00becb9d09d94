"""`srcli schema`: the JSON Schema of what --json prints."""

from __future__ import annotations

from typing import Annotated

import typer

from srcli import schema
from srcli.cli.shared.console import Output, errors

EXAMPLES = """Example:\n
  srcli schema > srcli.schema.json"""


def command(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Print the JSON Schema (draft 2020-12) of the records that --json prints."""
    with errors(debug):
        Output().say(schema.text().rstrip("\n"))
