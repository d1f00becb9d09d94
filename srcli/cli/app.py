"""The `srcli` command. Heavy imports happen inside commands, so that help is instant."""

from __future__ import annotations

from typing import Annotated

import typer

from srcli import __version__
from srcli.cli.commands import bench, compare, degrade, doctor, models, presets, train, upscale
from srcli.cli.usage.command import Taught, TaughtGroup

app = typer.Typer(
    name="srcli",
    cls=TaughtGroup,
    help="Super-resolution with flow models: any scale, no GPU needed, weights included.",
    epilog="Example: srcli upscale photo.jpg --scale 3.5",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("upscale", epilog=upscale.EXAMPLES, cls=Taught)(upscale.command)
app.command("bench", epilog=bench.EXAMPLES)(bench.command)
app.command("compare", epilog=compare.EXAMPLES)(compare.command)
app.command("degrade", epilog=degrade.EXAMPLES)(degrade.command)
app.command("doctor")(doctor.command)
app.add_typer(models.app, name="models")
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


def main() -> None:
    """Entry point of the console script."""
    app()
