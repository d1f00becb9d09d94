"""`srcli presets`: list and remove saved options."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from srcli.cli.commands import upscale
from srcli.cli.shared.console import Output, errors
from srcli.cli.usage.command import App, known_options, preset_names

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

app = App(
    help="List and remove presets: options of `srcli upscale` saved with --save-preset.",
    epilog="""Examples:\n
  srcli upscale scans/ -o out/ --long-side 4000 -f png --save-preset scans\n
  srcli upscale more/ -o out/ --preset scans\n
  srcli presets list\n
  srcli presets rm scans""",
)


@app.command("list")
def list_presets(json: JSON = False, debug: DEBUG = False) -> None:
    """List presets and their options. The exit code is 1 if one cannot be read."""
    output, broken = Output(json), False
    with errors(debug, json):
        from srcli.cli.usage import presets

        names, known = presets.names(), known_options(upscale.command)
        for name in names:
            try:
                preset = presets.read(name, known)
            except presets.PresetError as error:
                broken = True
                output.record({"name": name, "error": str(error)})
                output.problem(str(error))
                continue
            output.record({"name": name, "path": str(preset.path), "options": preset.options})
            output.say(f"{name}: {preset}")
        if not names:
            output.say("no presets; save one with: srcli upscale --save-preset NAME OPTIONS")
    sys.exit(1 if broken else 0)


@app.command()
def rm(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Presets to remove.", show_default=False, autocompletion=preset_names),
    ],
    json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Remove presets."""
    output = Output(json)
    with errors(debug, json):
        from srcli.cli.usage import presets

        for name in names:
            path = presets.remove(name)
            output.record({"name": name, "path": str(path), "removed": True})
            output.say(f"removed {path}")
