"""`srcli degrade`: make degraded versions of photos, with a preset or along a learned path."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.shared import options
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.degrade_choice import (
    DEFAULT_SCALE,
    DEFAULT_STEPS,
    ending_of,
    parts_of,
    scales_by_label,
    solver_of,
    summary_of,
)
from srcli.cli.shared.fetching import MANIFEST
from srcli.cli.shared.options import WRITING
from srcli.cli.shared.running import follow, log_to_stderr, tell_plan

if TYPE_CHECKING:
    from srcli.batch.modes import DegradeMode

PRESET, LEARNED = "Presets", "Learned path"
DEFAULT_PRESET = "moderate"

EXAMPLES = """Examples:\n
  srcli degrade photo.png --preset moderate --scale 4 --seed 1\n
  srcli degrade photos/ -o low/ --preset heavy --scale 2\n
  srcli degrade photo.png --model degflow --scale 2.4\n
  srcli degrade photos/ -o low/ --model degflow --scales 1.5,2,2.4,3,4 --resize\n
  srcli degrade photo.png --model degflow --trajectory strip"""


def command(
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="INPUT...", help="Photos or folders.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Folder, file (for a single result) or template.", show_default="beside the input"
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            "-s",
            "--scale",
            help="Factor to lower the resolution by: 1 to 16, or above 1 to 4 with --model.",
            show_default="4",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", help="Strength: light, moderate or heavy.", show_default=DEFAULT_PRESET, rich_help_panel=PRESET
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            help="Random seed; another seed gives other degradations.",
            show_default="0",
            rich_help_panel=PRESET,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-n",
            "--model",
            help="Use a learned path instead of a preset, e.g. degflow-realsr.",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    manifest: MANIFEST = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            "--autoencoder",
            help="File of the autoencoder, if -m does not contain it.",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--model-file",
            "--flow",
            help="File of the flow: a published .pth, .pt or .ckpt, or safetensors.",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option("--scales", help="Several scales at once, e.g. 1.5,2,2.4,3,4.", rich_help_panel=LEARNED),
    ] = None,
    trajectory: Annotated[
        str | None,
        typer.Option(
            "--trajectory",
            help="Show the whole path instead: strip (side by side) or webp (animated).",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    resize: Annotated[
        bool,
        typer.Option(
            "--resize",
            help="Downscale results by the scale; without it, they keep the photo's size.",
            rich_help_panel=LEARNED,
        ),
    ] = False,
    solver: Annotated[
        str | None,
        typer.Option(
            "--solver",
            help="ODE solver: dopri5 (adaptive) or rk4 (fixed steps).",
            show_default="rk4 with 8 steps for degflow-s, dopri5 for published flows",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            max=1000,
            help="Steps of rk4 from the photo to scale 4; implies --solver rk4.",
            show_default=f"{DEFAULT_STEPS} with --solver rk4",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    suffix: options.FORMAT = None,
    quality: options.QUALITY = 95,
    compression: options.COMPRESSION = 6,
    background: options.BACKGROUND = "white",
    strip: options.STRIP = False,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", min=1, help="Frame or page to use, from 1.", show_default="the first", rich_help_panel=WRITING
        ),
    ] = None,
    overwrite: options.OVERWRITE = False,
    recursive: options.RECURSIVE = False,
    include: options.INCLUDE = None,
    exclude: options.EXCLUDE = None,
    listed: options.LISTED = None,
    shard: options.SHARD = "1/1",
    fail_fast: options.FAIL_FAST = False,
    remake_stale: options.REMAKE_STALE = False,
    drain: options.DRAIN = False,
    retry_failed: options.RETRY_FAILED = False,
    ledger: options.LEDGER = True,
    max_pixels: options.MAX_PIXELS = 250.0,
    max_memory: options.MAX_MEMORY = None,
    device: options.DEVICE = "auto",
    precision: options.PRECISION = "auto",
    threads: options.THREADS = None,
    dry_run: options.DRY_RUN = False,
    json: options.JSON = False,
    quiet: options.QUIET = False,
    verbose: options.VERBOSE = False,
    debug: options.DEBUG = False,
) -> None:
    """Make degraded versions of photos, like those from cheap cameras and from the web.

    A preset downscales photos with random blur, noise and JPEG compression: NAME_moderate_x4.png. --model follows a
    learned path of degradation to any scale above 1 up to 4, at the photo's size or smaller: NAME_degflow_x2.4.png. The
    parameters of each result are written to a .json file of the same name.

    A template for --out may contain {stem}, {ext}, {scale}, {width}, {height}, {model} (or the preset), {parent} (name
    of the photo's folder) and {folder} (path of that folder relative to the input).
    """
    output = Output(json, quiet=quiet, verbose=verbose)
    if debug:
        log_to_stderr()
    with errors(debug, json):
        from srcli import batch
        from srcli.batch import degrade, sidecars
        from srcli.batch.modes import LearnedMode, PresetMode, TrajectoryMode
        from srcli.degradation.photo import DegradeError, Settings
        from srcli.images.encode import Style

        learned = model is not None or autoencoder is not None or flow is not None
        if learned and (preset is not None or seed is not None):
            raise DegradeError("--preset and --seed cannot be combined with --model; leave out one or the other")
        if not learned and (scales or trajectory or resize or solver or steps):
            raise DegradeError("--scales, --trajectory, --resize, --solver and --steps need --model degflow")
        ending = ending_of(options.suffix_of(suffix), out, trajectory)
        selection = batch.Selection(
            recursive=recursive,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            shard=batch.parse_shard(shard),
        )
        plan = batch.plan(options.inputs_of(inputs, listed), out, selection, suffix=ending, results=sidecars.RESULT)
        if any(batch.STREAM in (item.source, item.file) for item in plan.items):
            raise DegradeError(
                "degraded pictures come with a file of parameters, so use files instead of standard input and output"
            )
        tell_plan(plan, output)
        style = Style(quality=quality, level=compression, lossless=False, background=options.colour_of(background))
        run_options = batch.RunOptions(
            suffix=ending,
            style=style,
            overwrite=overwrite,
            dry_run=dry_run,
            frame=None if frame is None else frame - 1,
            strip=strip,
            provenance=False,
            max_pixels=int(max_pixels * 1e6),
            fail_fast=fail_fast,
            retry_failed=retry_failed,
            remake_stale=remake_stale,
        )
        if learned:
            from srcli import runtime
            from srcli.degrader import Degrader

            wanted, path_solver = scales_by_label(scale, scales, trajectory, resize), solver_of(solver, steps)
            parts = parts_of(model, autoencoder, flow, output)
            runtime.reuse_heap()
            memory = options.bytes_of(max_memory)
            runtime.set_threads(threads)
            ready = Degrader(parts, path_solver, device=device, precision=precision, max_memory=memory)
            mode: DegradeMode = TrajectoryMode(ready, trajectory) if trajectory else LearnedMode(ready, wanted, resize)
            summary = summary_of(ready)
            if verbose:
                reason = f"{ready.runtime.reason}), {ready.threads} threads"
                output.notice(f"{summary['model']} on {summary['device']} in {summary['precision']} ({reason}")
        else:
            lower = DEFAULT_SCALE if scale is None else scale
            mode = PresetMode(Settings(preset or DEFAULT_PRESET, lower, seed or 0))
            summary = {"preset": mode.model}
            if (device, precision, threads, max_memory) != ("auto", "auto", None, None):
                output.notice("--device, --precision, --threads and --max-memory have no effect on presets")
        degrade.check_names(plan.items, mode)
        ledgers = batch.Ledgers(i.root for i in plan.items) if ledger and plan.many and not dry_run else None
        work = degrade.DegradeBatch(mode, options=run_options, sources=plan.sources, ledgers=ledgers)
        code = follow(partial(degrade.run, plan.items, work), plan, output, summary, drain=drain)
    sys.exit(code)
