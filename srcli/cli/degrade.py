"""`srcli degrade`: photos in, degraded pictures and their parameters out, by a preset or by a learned path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.console import Output, errors
from srcli.cli.fetching import bring_entries
from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.batch import Plan, Record
    from srcli.batch.degrade import DegradeJob
    from srcli.batch.plan import Item
    from srcli.degradation.files import Job

PRESET, LEARNED = "Presets", "Learned path"
DEFAULT_PRESET, DEFAULT_SCALE = "moderate", 4.0

EXAMPLES = """Examples:\n
  srcli degrade photo.png --preset moderate --scale 4 --seed 1\n
  srcli degrade photos/ -o low/ --preset heavy --scale 2\n
  srcli degrade photo.png --model degflow --scale 2.4\n
  srcli degrade photos/ -o low/ --model degflow --scales 1.5,2,2.4,3,4 --resize\n
  srcli degrade photo.png --model degflow --trajectory strip"""


def command(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Photos or folders.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File (one result), folder or template.", show_default="beside the input"),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option("-s", "--scale", help="How much lower: 1 to 16; above 1 to 4 with --model.", show_default="4"),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="light, moderate or heavy.", show_default=DEFAULT_PRESET,
                                 rich_help_panel=PRESET),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Another seed degrades otherwise.", show_default="0",
                                 rich_help_panel=PRESET),
    ] = None,
    model: Annotated[
        str | None, typer.Option("-n", "--model", help="A learned path instead of a preset, e.g. degflow-realsr.",
                                 rich_help_panel=LEARNED),
    ] = None,
    autoencoder: Annotated[
        Path | None, typer.Option("--autoencoder", help="The file of its autoencoder, where -m does not hold it.",
                                  rich_help_panel=LEARNED),
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option("-m", "--model-file", "--flow", rich_help_panel=LEARNED,
                     help="Its flow in a file: a published .pth, .pt or .ckpt, or safetensors."),
    ] = None,
    scales: Annotated[
        str | None, typer.Option("--scales", help="Several at once, e.g. 1.5,2,2.4,3,4.", rich_help_panel=LEARNED),
    ] = None,
    trajectory: Annotated[
        str | None, typer.Option("--trajectory", help="The whole path instead: strip or webp (animated).",
                                 rich_help_panel=LEARNED),
    ] = None,
    resize: Annotated[
        bool, typer.Option("--resize", help="Make results smaller by the scale; else they keep the photo's size.",
                           rich_help_panel=LEARNED),
    ] = False,
    solver: Annotated[
        str, typer.Option("--solver", help="dopri5 (adaptive) or rk4 (--steps).", rich_help_panel=LEARNED),
    ] = "dopri5",
    steps: Annotated[
        int, typer.Option("--steps", min=1, max=1000, help="Of rk4, from the photo to scale 4.",
                          rich_help_panel=LEARNED),
    ] = 16,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that were refused before.",
                           rich_help_panel=LEARNED),
    ] = False,
    ledger: Annotated[
        bool, typer.Option("--ledger/--no-ledger", help="Remember in the output folder what is done.",
                           rich_help_panel=LEARNED),
    ] = True,
    device: Annotated[
        str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.", rich_help_panel=LEARNED),
    ] = "auto",
    precision: Annotated[
        str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.", rich_help_panel=LEARNED),
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", help="CPU threads.", show_default="all", rich_help_panel=LEARNED),
    ] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Also pictures in folders below.")] = False,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:  # fmt: skip
    """Make pictures as they come from cheap cameras and from the web.

    With a preset, small ones by blur, noise and JPEG, twice: NAME_moderate_x4.png. With --model, the photo at any scale
    above 1 up to 4 along a learned path of degradation, of the photo's size or smaller: NAME_degflow_x2.4.png. Beside
    each lies a .json of the same name with its parameters.
    """
    output = Output(json, quiet)
    with errors(debug, json):
        from srcli import batch
        from srcli.degradation.files import DegradeError, originals

        learned = model is not None or autoencoder is not None or flow is not None
        if learned and (preset is not None or seed is not None):
            raise DegradeError("--preset and --seed are for presets, --model is another way; leave out one of them")
        if not learned and (scales or trajectory or resize):
            raise DegradeError("--scales, --trajectory and --resize need --model degflow")
        suffix = ".webp" if trajectory == "webp" else ".png"
        plan = batch.plan(inputs, out, batch.Choice(recursive), suffix=suffix)
        if any(batch.STREAM in (item.source, item.file) for item in plan.items):
            raise DegradeError("degraded pictures come with a file of parameters; give files, not standard streams")
        wanted = set(originals(item.source for item in plan.items))
        items = [item for item in plan.items if item.source in wanted]
        if learned:
            from srcli import degrader, runtime
            from srcli.batch.degrade import DegradeJob
            from srcli.batch.plan import resolved

            chosen = _chosen(scale, scales, trajectory)
            how = _solver(solver, steps)
            if autoencoder is None and flow is None:
                bring_entries([degrader.entry_of(model)], output)
            parts = degrader.find(model, autoencoder, flow)
            runtime.reuse_heap()
            ready = degrader.Degrader(parts, how, device=device, precision=precision, threads=threads)
            ledgers = batch.Ledgers(i.root for i in items) if ledger and plan.many else None
            sources = frozenset(resolved(item.source) for item in items)
            job = DegradeJob(ready, chosen, trajectory, resize, overwrite, retry_failed, sources, ledgers)
            code = _learned(items, job, plan, output)
        else:
            code = _synthetic(items, preset or DEFAULT_PRESET, DEFAULT_SCALE if scale is None else scale,
                              seed or 0, overwrite, output)  # fmt: skip
    sys.exit(code)


def _synthetic(items: list[Item], preset: str, scale: float, seed: int, overwrite: bool, output: Output) -> int:
    from srcli import batch
    from srcli.degradation import files

    job = files.Job(preset, scale, seed, overwrite)
    records = []
    for item in items:
        target = item.file or item.folder / f"{item.name}_{job.label}.png"
        records.append(_one(item.source, target, job, len(items) == 1))
        _report(records[-1], output)
    if len(records) > 1:
        output.say(f"{sum(r.status == 'done' for r in records)} done of {len(records)}")
    return batch.exit_code(records)


def _learned(items: list[Item], job: DegradeJob, plan: Plan, output: Output) -> int:
    from srcli import batch
    from srcli.batch.degrade import run

    records = []
    with _progress(len(items), output) as progress:
        for record in run(items, job, progress):
            records.append(record)
            _report(record, output)
    if len(records) > 1:
        output.say(f"{sum(r.status == 'done' for r in records)} done of {len(records)}")
    if not plan.many and all(r.status == "skipped" for r in records):
        return 1  # nothing of what one photo was asked for
    return batch.exit_code(records, plan.many)


def _chosen(scale: float | None, scales: str | None, trajectory: str | None) -> tuple[float, ...]:
    """The scales asked for, in order, each once. Raises SrcliError."""
    from srcli.batch.degrade import MOVIE, STRIP
    from srcli.degradation.files import DegradeError
    from srcli.pipelines.degflow import check_scales

    if sum(v is not None for v in (scale, scales, trajectory)) > 1:
        raise DegradeError("give one of --scale, --scales and --trajectory, which shows the whole path")
    if trajectory is not None:
        if trajectory not in (STRIP, MOVIE):
            raise DegradeError(f"a trajectory is shown as {STRIP} or {MOVIE}, not as {trajectory!r}")
        return ()
    if scales is None:
        found = [DEFAULT_SCALE if scale is None else scale]
    else:
        try:
            found = [float(part) for part in scales.split(",")]
        except ValueError:
            raise DegradeError(f"--scales {scales!r} is no list of numbers such as 1.5,2,2.4") from None
    check_scales(found)
    return tuple(dict.fromkeys(found))


def _solver(kind: str, steps: int):
    from srcli.degradation.files import DegradeError
    from srcli.networks.ode import Solver

    try:
        return Solver(kind, steps)
    except ValueError as error:
        raise DegradeError(str(error)) from None


@contextmanager
def _progress(count: int, output: Output) -> Iterator[Callable[[Item, int, int], None]]:
    """A bar with the tiles done of a file; nothing where nobody looks."""
    from rich.progress import Progress

    if output.quiet or output.json or not sys.stderr.isatty():
        yield lambda item, done, total: None
        return
    with Progress(console=output.err, transient=True) as bar:
        output.live = bar.console
        task = bar.add_task("")

        def advance(item: Item, done: int, total: int) -> None:
            bar.update(task, description=item.source.name, completed=done, total=total)

        try:
            yield advance
        finally:
            output.live = None


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
    if record.status == "failed":
        output.problem(f"failed: {record.error}")
    elif record.status == "skipped":
        output.notice(f"skipped: {record.error}")
    else:
        seconds = "" if record.seconds is None else f", {record.seconds:.1f} s"
        output.say(f"{record.output} ({record.width}x{record.height}{seconds})")
    if not output.json:
        for note in record.notes:
            output.notice(f"{record.input}: {note}")
