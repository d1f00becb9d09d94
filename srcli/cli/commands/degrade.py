"""`srcli degrade`: photos in, degraded pictures and their parameters out, by a preset or by a learned path."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srcli.cli.shared import options
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, bring_entries
from srcli.cli.shared.options import WRITING
from srcli.cli.shared.running import follow, log_to_stderr, tell_plan

if TYPE_CHECKING:
    from srcli.batch.modes import DegradeMode
    from srcli.degrader import Degrader, Parts
    from srcli.flows.ode import Solver

PRESET, LEARNED = "Presets", "Learned path"
DEFAULT_PRESET, DEFAULT_SCALE, DEFAULT_STEPS = "moderate", 4.0, 16

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
        typer.Option("-o", "--out", help="Folder, file (one result) or template.", show_default="beside the input"),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option("-s", "--scale", help="How much lower: 1 to 16; above 1 to 4 with --model.", show_default="4"),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="light, moderate or heavy.", show_default=DEFAULT_PRESET, rich_help_panel=PRESET),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Another seed degrades otherwise.", show_default="0", rich_help_panel=PRESET),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-n", "--model", help="A learned path instead of a preset, e.g. degflow-realsr.", rich_help_panel=LEARNED
        ),
    ] = None,
    manifest: MANIFEST = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            "--autoencoder",
            help="The file of its autoencoder, where -m does not hold it.",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--model-file",
            "--flow",
            help="Its flow in a file: a published .pth, .pt or .ckpt, or safetensors.",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    scales: Annotated[
        str | None, typer.Option("--scales", help="Several at once, e.g. 1.5,2,2.4,3,4.", rich_help_panel=LEARNED)
    ] = None,
    trajectory: Annotated[
        str | None,
        typer.Option("--trajectory", help="The whole path instead: strip or webp (animated).", rich_help_panel=LEARNED),
    ] = None,
    resize: Annotated[
        bool,
        typer.Option(
            "--resize",
            help="Make results smaller by the scale; else they keep the photo's size.",
            rich_help_panel=LEARNED,
        ),
    ] = False,
    solver: Annotated[
        str | None,
        typer.Option(
            "--solver",
            help="dopri5 (adaptive) or rk4 (--steps).",
            show_default="8 steps of rk4 for degflow-s, dopri5 for published flows",
            rich_help_panel=LEARNED,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            max=1000,
            help="Of rk4, from the photo to scale 4; asks for rk4 by itself.",
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
            "--frame", min=1, help="This frame or page, from 1.", show_default="the first", rich_help_panel=WRITING
        ),
    ] = None,
    overwrite: options.OVERWRITE = False,
    recursive: options.RECURSIVE = False,
    include: options.INCLUDE = None,
    exclude: options.EXCLUDE = None,
    listed: options.LISTED = None,
    shard: options.SHARD = "1/1",
    fail_fast: options.FAIL_FAST = False,
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
    """Make pictures as they come from cheap cameras and from the web.

    With a preset, small ones by blur, noise and JPEG, twice: NAME_moderate_x4.png. With --model, the photo at any scale
    above 1 up to 4 along a learned path of degradation, of the photo's size or smaller: NAME_degflow_x2.4.png. Beside
    each lies a .json of the same name with its parameters.

    A template for --out may have {stem}, {ext}, {scale}, {width}, {height}, {model} (or the preset), {parent} (name of
    the photo's folder) and {folder} (its path below the input).
    """
    output = Output(json, quiet=quiet, verbose=verbose)
    if debug:
        log_to_stderr()
    with errors(debug, json):
        from srcli import batch
        from srcli.batch import degrade
        from srcli.batch.modes import LearnedMode, PresetMode, TrajectoryMode
        from srcli.degradation.photo import DegradeError, Settings
        from srcli.images.encode import Style

        learned = model is not None or autoencoder is not None or flow is not None
        if learned and (preset is not None or seed is not None):
            raise DegradeError("--preset and --seed are for presets, --model is another way; leave out one of them")
        if not learned and (scales or trajectory or resize or solver or steps):
            raise DegradeError("--scales, --trajectory, --resize, --solver and --steps need --model degflow")
        ending = _ending(options.suffix_of(suffix), out, trajectory)
        choice = batch.Selection(
            recursive=recursive,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            shard=batch.parse_shard(shard),
        )
        plan = batch.plan(options.inputs_of(inputs, listed), out, choice, suffix=ending, results=degrade.RESULT)
        if any(batch.STREAM in (item.source, item.file) for item in plan.items):
            raise DegradeError("degraded pictures come with a file of parameters; give files, not standard streams")
        tell_plan(plan, output)
        style = Style(quality=quality, level=compression, lossless=False, background=options.colour_of(background))
        chosen = batch.RunOptions(
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
        )
        if learned:
            from srcli import runtime
            from srcli.degrader import Degrader

            wanted, way = _chosen(scale, scales, trajectory, resize), _solver(solver, steps)
            parts = _parts(model, autoencoder, flow, output)
            runtime.reuse_heap()
            memory = options.bytes_of(max_memory)
            ready = Degrader(parts, way, device=device, precision=precision, threads=threads, max_memory=memory)
            mode: DegradeMode = TrajectoryMode(ready, trajectory) if trajectory else LearnedMode(ready, wanted, resize)
            how = _how(ready)
            if verbose:
                reason = f"{ready.runtime.reason}), {ready.threads} threads"
                output.notice(f"{how['model']} on {how['device']} in {how['precision']} ({reason}")
        else:
            lower = DEFAULT_SCALE if scale is None else scale
            mode = PresetMode(Settings(preset or DEFAULT_PRESET, lower, seed or 0))
            how = {"preset": mode.model}
            if (device, precision, threads, max_memory) != ("auto", "auto", None, None):
                output.notice("--device, --precision, --threads and --max-memory have no effect on presets")
        degrade.check_names(plan.items, mode)
        kept = batch.Ledgers(i.root for i in plan.items) if ledger and plan.many and not dry_run else None
        job = degrade.DegradeBatch(mode, options=chosen, sources=plan.sources, ledgers=kept)
        code = follow(partial(degrade.run, plan.items, job), plan, output, how)
    sys.exit(code)


def _ending(given: str | None, out: Path | None, trajectory: str | None) -> str:
    """The suffix of all results: what was asked for, also by the name of the output, or .png. Raises UsageError."""
    from srcli.batch import UsageError
    from srcli.degradation.trajectory import MOVIE
    from srcli.images.encode import FORMATS

    said = out.suffix.lower() if out is not None and not out.is_dir() else ""
    ending = given or (said if said in FORMATS else None)
    if trajectory != MOVIE:
        return ending or ".png"
    if ending not in (None, ".webp"):
        raise UsageError(f"--trajectory {MOVIE} makes .webp files, not {ending}")
    return ".webp"


def _parts(model: str | None, autoencoder: Path | None, flow: Path | None, output: Output) -> Parts:
    """The files of a generator, fetched where they are on the manifest and not here."""
    from srcli import degrader

    if autoencoder is None and flow is None:
        bring_entries([degrader.entry_of(model)], output)
    return degrader.find(model, autoencoder, flow)


def _how(ready: Degrader) -> dict[str, Any]:
    """What the summary says of all results."""
    return {
        "model": ready.parts.name,
        "device": str(ready.runtime.device),
        "precision": ready.runtime.precision,
        "tiling": ready.model.tiling,
    }


def _chosen(scale: float | None, scales: str | None, trajectory: str | None, resize: bool) -> dict[str, float]:
    """The scales asked for, in order, each once, by what names carry. Raises SrcliError."""
    from srcli.degradation.photo import DegradeError
    from srcli.degradation.trajectory import MOVIE, STRIP
    from srcli.methods.degflow.model import check_scales

    if sum(v is not None for v in (scale, scales, trajectory)) > 1:
        raise DegradeError("give one of --scale, --scales and --trajectory, which shows the whole path")
    if trajectory is not None:
        if resize:
            raise DegradeError("--resize is for --scale and --scales; a trajectory shows a part at its own size")
        if trajectory not in (STRIP, MOVIE):
            raise DegradeError(f"a trajectory is shown as {STRIP} or {MOVIE}, not as {trajectory!r}")
        return {}
    found = [DEFAULT_SCALE if scale is None else scale]
    if scales is not None:
        try:
            found = [float(part) for part in scales.split(",")]
        except ValueError:
            raise DegradeError(f"--scales {scales!r} is no list of numbers such as 1.5,2,2.4") from None
    check_scales(found)
    by_label: dict[str, float] = {}
    for value in found:
        if by_label.setdefault(f"x{value:g}", value) != value:
            raise DegradeError(f"{value} and another of the scales are both {value:g} in names")
    return by_label


def _solver(kind: str | None, steps: int | None) -> Solver | None:
    """None: the model's own."""
    from srcli.degradation.photo import DegradeError
    from srcli.flows.ode import Solver

    if steps is not None and kind == "dopri5":
        raise DegradeError("--steps are those of --solver rk4; dopri5 chooses its own")
    try:
        return Solver(kind or "rk4", steps or DEFAULT_STEPS) if kind or steps else None
    except ValueError as error:
        raise DegradeError(str(error)) from None
