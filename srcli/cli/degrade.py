"""`srcli degrade`: photos in, degraded small pictures and their parameters out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.console import Output, errors
from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.batch import Record
    from srcli.degradation.files import Job

EXAMPLES = """Examples:\n
  srcli degrade photo.png --preset moderate --scale 4 --seed 1\n
  srcli degrade photos/ -o low/ --preset heavy --scale 2\n
  srcli degrade photo.png --preset light --scale 1 --json"""


def command(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Photos or folders.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File (one input) or folder. Default: beside the input.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="light, moderate or heavy.")] = "moderate",
    scale: Annotated[float, typer.Option("-s", "--scale", help="How much smaller, from 1 to 16.")] = 4.0,
    seed: Annotated[int, typer.Option("--seed", help="Another seed degrades otherwise.")] = 0,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Also pictures in folders below.")] = False,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Make small pictures as they come from cheap cameras and from the web: blur, noise, JPEG, twice.

    Results are PNG files, NAME_moderate_x4.png; beside each lies NAME_moderate_x4.json with the parameters drawn. They
    depend on the photo's name, the scale and the seed alone.
    """
    output = Output(json, quiet)
    with errors(debug, json):
        from srcli import batch
        from srcli.degradation import files

        job = files.Job(preset, scale, seed, overwrite)
        plan = batch.plan(inputs, out, batch.Choice(recursive), suffix=".png")
        wanted = set(files.originals(item.source for item in plan.items))
        records = []
        for item in plan.items:
            if item.source in wanted:
                target = item.file or item.folder / f"{item.name}_{job.label}.png"
                records.append(_one(item.source, target, job, len(plan.items) == 1))
                _report(records[-1], output)
        code = batch.exit_code(records)
        if len(records) > 1:
            output.say(f"{sum(r.status == 'done' for r in records)} done of {len(records)}")
    sys.exit(code)


def _one(source: Path, target: Path, job: Job, alone: bool) -> Record:
    """A file that fails does not stop the others; a usage error of a single file is raised."""
    from srcli.batch import Record
    from srcli.batch.plan import InputError
    from srcli.degradation import files

    try:
        if source.is_dir():
            raise InputError(f"no pictures in {source}; --recursive also takes those of folders below")
        size = files.degrade_file(source, target, job)
    except SrcliError as error:
        if alone:
            raise
        return Record(str(source), "failed", error=str(error), exit_code=error.exit_code)
    except OSError as error:
        return Record(str(source), "failed", error=f"{source}: {error.strerror or error}", exit_code=1)
    return Record(str(source), "done", output=str(target), width=size.width, height=size.height)


def _report(record: Record, output: Output) -> None:
    output.record(record.to_dict())
    if record.error:
        output.problem(f"failed: {record.error}")
    else:
        output.say(f"{record.output} ({record.width}x{record.height})")
