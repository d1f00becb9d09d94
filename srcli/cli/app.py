"""The `srcli` command. Heavy imports happen inside commands, so that help is instant."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from srcli import __version__
from srcli.cli.commands import bench, compare, degrade, doctor, export, models, presets, schema, show, train, upscale
from srcli.cli.commands.serving import serve, web
from srcli.cli.shared import models_adding, streams
from srcli.cli.shared.console import Output
from srcli.cli.usage.command import App, Taught, TaughtGroup
from srcli.schema import stamped

USAGE: type[Exception] = typer.BadParameter.__mro__[1]  # of all errors of the command line; Typer does not export it

app = App(
    name="srcli",
    cls=TaughtGroup,
    help="Super-resolution with flow models: any scale, no GPU needed, weights included.",
    epilog="Example: srcli upscale photo.jpg --scale 3.5",
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("upscale", epilog=upscale.EXAMPLES, cls=Taught)(upscale.command)
app.command("bench", epilog=bench.EXAMPLES)(bench.command)
app.command("compare", epilog=compare.EXAMPLES)(compare.command)
app.command("degrade", epilog=degrade.EXAMPLES)(degrade.command)
app.command("web", epilog=web.EXAMPLES)(web.command)
app.command("serve", epilog=serve.EXAMPLES)(serve.command)
app.command("show", epilog=show.EXAMPLES)(show.command)
app.command("schema", epilog=schema.EXAMPLES)(schema.command)
app.command("doctor")(doctor.command)
models.app.command("add", epilog=models_adding.EXAMPLES)(models_adding.add)
app.add_typer(models.app, name="models")
app.add_typer(export.app, name="export")
app.add_typer(presets.app, name="presets")
app.add_typer(train.app, name="train")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"srcli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _with_records() -> int:
    """Run a command with --json: a wrong command line is a record too. Returns the exit code."""
    try:
        return int(app(standalone_mode=False) or 0)
    except USAGE as error:
        text = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        told = {"error": text, "reason": "usage", "retryable": False, "exit_code": 2}
        Output(json=True).fail(stamped("error", told))
        return 2


def main() -> None:
    """Entry point of the console script."""
    streams.open_closed()
    code: int | str | None = 0
    try:
        if "--json" in sys.argv[1:]:
            code = _with_records()
        else:
            app()
    except SystemExit as end:
        code = end.code
    except OSError as error:  # help or the usage cannot be printed
        code = 2 if isinstance(error.__context__, USAGE) else 1
        streams.silence(sys.stdout)
        streams.complain(streams.sentence(error))
    sys.exit(streams.settle(code if isinstance(code, int) else int(code is not None)))
