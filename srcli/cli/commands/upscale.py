"""`srcli upscale`: pictures and folders in, larger pictures out."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srcli.cli.shared import options, sizes, streams
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, fetch_models, known_model
from srcli.cli.shared.options import MACHINE, WRITING
from srcli.cli.shared.running import follow, log_to_stderr, tell_plan
from srcli.cli.usage.command import PRESET, SAVE_PRESET, model_names, save_preset

if TYPE_CHECKING:
    from srcli.tiling.model import Sampling
    from srcli.upscaler import Upscaler
    from srcli.weights.model_files import Loaded

EXAMPLES = """Examples:\n
  srcli upscale photo.jpg --scale 3.5\n
  srcli upscale photo.jpg --size 3840x -o large/\n
  srcli upscale old.jpg -n flowsr-s\n
  srcli upscale old.jpg -n flowmap-s --steps 2 --detail 1.5\n
  srcli upscale photo.jpg --size 1080x1080 --fit cover\n
  srcli upscale scans/ -o out/ --recursive --long-side 4000 -f png\n
  srcli upscale scans/ -o out/ --long-side 4000 -f png --save-preset scans\n
  srcli upscale photos/ -o 'out/{folder}/{stem}_{width}{ext}' --exclude '*.gif'\n
  cat photo.jpg | srcli upscale - -f png > large.png\n
  srcli upscale noisy.jpg -n realesr-general-x4v3 --denoise 0.5\n
  srcli upscale photo.jpg -s 4 -m RRDB-LINF.pth\n
  srcli upscale book.pdf -s 2 -o book_x2.pdf\n
  srcli upscale photo.jpg -s 4 -m guided.safetensors --lora change.safetensors --steps 2 --detail 1.5\n
  srcli upscale photo.jpg -s 4 --detail 0.5 --json"""


def command(
    ctx: typer.Context,
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT...", help="Pictures, PDFs or folders; - is standard input.", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder, file (one input), template, or - for standard output.",
            show_default="beside the input",
        ),
    ] = None,
    scale: sizes.SCALE = None,
    size: sizes.SIZE = None,
    fit: sizes.FIT = None,
    long_side: sizes.LONG_SIDE = None,
    short_side: sizes.SHORT_SIDE = None,
    megapixels: sizes.MEGAPIXELS = None,
    preset: PRESET = None,
    save_as: SAVE_PRESET = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-n",
            "--model",
            show_default="auto",
            autocompletion=model_names,
            help="auto picks what suits each picture; see srcli models list. spandrel:FILE: a community model.",
        ),
    ] = None,
    manifest: MANIFEST = None,
    model_file: Annotated[
        Path | None,
        typer.Option("-m", "--model-file", help="Weights in a file: .pth, .pt, .ckpt or safetensors."),
    ] = None,
    prior: Annotated[
        Path | None, typer.Option("--prior", help="With -m: the file of the flow's learned prior (LINF-LP, SRFlow-LP).")
    ] = None,
    lora: Annotated[
        Path | None, typer.Option("--lora", help="With -m: the file of a flow map's LoRA, for --detail.")
    ] = None,
    twin: Annotated[
        Path | None,
        typer.Option("--twin", help="With -m: the file of a second network of the same shape, for --denoise."),
    ] = None,
    detail: Annotated[
        float,
        typer.Option("--detail", help="0: most faithful, 1: sharp (linf-lp-s, flowsr-s); flowmap-s goes to 2."),
    ] = 1.0,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            help="Randomness of sampled models: linf-s (0, their mean), srflow-s (0.8).",
            show_default="the model's",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the randomness.")] = 0,
    on_explode: Annotated[
        str,
        typer.Option("--on-explode", help="Where a flow's inverse explodes: repair or error."),
    ] = "repair",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail if a result does not match its input, instead of redoing that part more faithfully.",
        ),
    ] = False,
    steps: Annotated[
        int, typer.Option("--steps", help="Network evaluations of rectified flows, and of flow maps: 1, 2 or 4.")
    ] = 1,
    colour: Annotated[
        str | None, typer.Option("--colour", help="Colour fix of rectified flows: none, wavelet or adain.")
    ] = None,
    denoise: Annotated[
        float | None,
        typer.Option(
            "--denoise", help="realesr-general-x4v3: 0 keeps the most grain, 1 removes the most.", show_default="1"
        ),
    ] = None,
    suffix: options.FORMAT = None,
    quality: options.QUALITY = 95,
    compression: options.COMPRESSION = 6,
    background: options.BACKGROUND = "white",
    strip: options.STRIP = False,
    provenance: Annotated[
        bool,
        typer.Option(
            "--provenance/--no-provenance",
            help="Note in the file how it was made; srcli show prints it.",
            rich_help_panel=WRITING,
        ),
    ] = True,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", min=1, help="Only this frame or page, from 1.", show_default="all", rich_help_panel=WRITING
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
    tile: Annotated[
        int,
        typer.Option("-t", "--tile", help="Side of a tile in output pixels; 0: by memory.", rich_help_panel=MACHINE),
    ] = 0,
    device: options.DEVICE = "auto",
    precision: options.PRECISION = "auto",
    threads: options.THREADS = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show what was measured of each picture.", rich_help_panel=options.REPORT),
    ] = False,
    dry_run: options.DRY_RUN = False,
    json: options.JSON = False,
    quiet: options.QUIET = False,
    verbose: options.VERBOSE = False,
    debug: options.DEBUG = False,
) -> None:
    """Enlarge pictures by any factor from 1 to 8, or to a size. Results are named NAME_x3.5.EXT, or, if a result of
    another model has that name, NAME_x3.5_MODEL.EXT.

    A template for --out may have {stem}, {ext}, {scale}, {width}, {height}, {model}, {parent} (name of the picture's
    folder) and {folder} (its path below the input).
    """
    output = Output(json, quiet=quiet, verbose=verbose)
    if debug:
        log_to_stderr()
    with errors(debug, json):
        from srcli import batch, runtime
        from srcli.images.encode import Style
        from srcli.methods.dials import check
        from srcli.tiling.model import Sampling

        target = sizes.target_of(scale, size, fit, long_side=long_side, short_side=short_side, megapixels=megapixels)
        ending = options.suffix_of(suffix)
        style = Style(quality=quality, level=compression, lossless=False, background=options.colour_of(background))
        sampling = check(
            Sampling(
                detail=detail,
                temperature=temperature,
                seed=seed,
                on_explode=on_explode,
                steps=steps,
                colour=colour,
                denoise=denoise,
                strict=strict,
            )
        )
        if save_as is not None:
            known_model(model)
            saved = save_preset(save_as, ctx, overwrite=overwrite)
            output.notice(f"saved {saved.path}: {saved}")
            if not inputs and listed is None:
                return
        choice = batch.Selection(
            recursive=recursive,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            shard=batch.parse_shard(shard),
        )
        plan = batch.plan(options.inputs_of(inputs, listed), None if out is None else Path(out), choice, suffix=ending)
        if any(item.file == batch.STREAM for item in plan.items):
            _check_stdout(json)
            output.data_on_stdout = True
        tell_plan(plan, output)
        chosen = batch.RunOptions(
            suffix=ending,
            style=style,
            overwrite=overwrite,
            dry_run=dry_run,
            frame=None if frame is None else frame - 1,
            strip=strip,
            provenance=provenance,
            max_pixels=int(max_pixels * 1e6),
            fail_fast=fail_fast,
            retry_failed=retry_failed,
            remake_stale=remake_stale,
            precision=precision,
        )
        from srcli.upscaler import Upscaler

        runtime.reuse_heap()
        if model_file is None:
            fetch_models([model], output)
        memory = options.bytes_of(max_memory)
        runtime.set_threads(threads)
        source = _source(model, model_file, prior=prior, lora=lora, twin=twin)
        upscaler = Upscaler(source, device=device, precision=precision, tile=tile, max_memory=memory)
        upscaler.check_target(target)
        upscaler.settled(sampling)
        _warn(upscaler, sampling, output)
        kept = batch.Ledgers(i.root for i in plan.items) if ledger and plan.many and not dry_run else None
        job = batch.UpscaleBatch(
            upscaler=upscaler, target=target, sampling=sampling, options=chosen, sources=plan.sources, ledgers=kept
        )
        how = _how(upscaler)
        if verbose:
            reason = f"{upscaler.runtime.reason}), {upscaler.threads} threads"
            output.notice(f"{how['model']} on {how['device']} in {how['precision']} ({reason}")
        code = follow(partial(batch.run, plan.items, job), plan, output, how, rated=True, explain=explain, drain=drain)
    sys.exit(code)


def _how(upscaler: Upscaler) -> dict[str, Any]:
    """What the summary says of all results."""
    how, models = upscaler.runtime, upscaler.choices or {"": upscaler}
    tilings = {each.model.tiling for each in models.values()}
    return {
        "model": upscaler.entry.name, "device": str(how.device), "precision": how.precision,
        "tiling": "bounded" if "bounded" in tilings else "exact",
    }  # fmt: skip


def _warn(upscaler: Upscaler, sampling: Sampling, output: Output) -> None:
    """Say which options the model does not look at."""
    name = upscaler.entry.name
    for option in upscaler.ignored(sampling):
        lack = "" if upscaler.method is None else upscaler.method.lacks.get(option, "")
        cure = "; use -n with a model that samples, such as linf-s" if upscaler.choices else ""
        output.notice(f"--{option} has no effect on {name}" + (f", which {lack}" if lack else cure))


def _check_stdout(json: bool) -> None:
    from srcli.batch import UsageError

    if json:
        raise UsageError("--json and the picture cannot both go to standard output")
    streams.check_stdout()
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal; redirect it to a file or a program, or use -o FILE")


def _source(model: str | None, file: Path | None, **others: Path | None) -> str | Loaded | None:
    """A model's name, or what is in the files of one. others: the files of its other networks."""
    from srcli.batch import UsageError

    if model is not None and file is not None:
        raise UsageError("give either a model's name (-n) or a file (-m), not both")
    if file is None:
        for name, given in others.items():
            if given is not None:
                raise UsageError(f"--{name} goes with -m, the file of its {'flow' if name == 'prior' else 'network'}")
        return model
    from srcli.weights.model_files import load_files

    return load_files(file, others["prior"], others["lora"], others["twin"])
