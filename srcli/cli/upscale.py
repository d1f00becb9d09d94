"""`srcli upscale`: pictures and folders in, larger pictures out."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.console import INTERRUPTED, Output, errors
from srcli.cli.fetching import MANIFEST, bring
from srcli.cli.upscale_report import progress, report, summary_of, tell_plan, warn

if TYPE_CHECKING:
    from srcli.batch import Job, Plan
    from srcli.geometry import Target
    from srcli.weights.given import Loaded

WRITING, MANY, MACHINE, REPORT = "Writing", "Many files", "Machine", "Report"
DEFAULT_SCALE = 4.0
UTF8_MARK = b"\xef\xbb\xbf"  # that editors put at the start of lists

EXAMPLES = """Examples:\n
  srcli upscale photo.jpg --scale 3.5\n
  srcli upscale photo.jpg --size 3840x -o large/\n
  srcli upscale scans/ -o out/ --recursive --long-side 4000 -f png\n
  srcli upscale photos/ -o 'out/{folder}/{stem}_{width}{ext}' --exclude '*.gif'\n
  cat photo.jpg | srcli upscale - -f png > large.png\n
  srcli upscale photo.jpg -s 4 -m RRDB-LINF.pth\n
  srcli upscale photo.jpg -s 4 --detail 0.5 --json"""


def command(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT...", help="Pictures or folders; - is standard input.", show_default=False),
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
    scale: Annotated[
        float | None, typer.Option("-s", "--scale", help="Any factor from 1 to 8, e.g. 3.5.", show_default="4")
    ] = None,
    size: Annotated[str | None, typer.Option("--size", help="3840x2160, 3840x (width) or x2160 (height).")] = None,
    long_side: Annotated[int | None, typer.Option("--long-side", help="Pixels of the longer side.")] = None,
    megapixels: Annotated[float | None, typer.Option("--megapixels", help="Area of the result.")] = None,
    model: Annotated[str | None, typer.Option("-n", "--model", help="Model name; the default is linf-lp-s.")] = None,
    manifest: MANIFEST = None,
    model_file: Annotated[
        Path | None,
        typer.Option("-m", "--model-file", help="Weights in a file: a published .pth, .pt or .ckpt, or safetensors."),
    ] = None,
    prior: Annotated[
        Path | None, typer.Option("--prior", help="With -m: the file of the flow's learned prior (LINF-LP, SRFlow-LP).")
    ] = None,
    detail: Annotated[
        float, typer.Option("--detail", help="0: most faithful, 1: sharp (linf-lp-s, flowsr-s); flow maps go to 2.")
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
        typer.Option("--on-explode", help="Where a flow's inverse explodes: repair (with less heat) or error."),
    ] = "repair",
    steps: Annotated[int, typer.Option("--steps", help="Network evaluations of rectified flows and flow maps.")] = 1,
    colour: Annotated[
        str | None, typer.Option("--colour", help="Colour fix of rectified flows: none, wavelet or adain.")
    ] = None,
    suffix: Annotated[
        str | None,
        typer.Option(
            "-f", "--format", help="png, jpg, webp, tif, avif, gif, bmp, ppm or pfm.", rich_help_panel=WRITING
        ),
    ] = None,
    quality: Annotated[
        int, typer.Option("--quality", min=1, max=100, help="Of JPEG, WebP and AVIF.", rich_help_panel=WRITING)
    ] = 95,
    compression: Annotated[
        int, typer.Option("--compression", min=0, max=9, help="Effort for PNG and TIFF.", rich_help_panel=WRITING)
    ] = 6,
    background: Annotated[
        str,
        typer.Option(
            "--background", help="Colour behind transparency where the format has none.", rich_help_panel=WRITING
        ),
    ] = "white",
    strip: Annotated[
        bool, typer.Option("--strip", help="Leave out all metadata but the colour profile.", rich_help_panel=WRITING)
    ] = False,
    provenance: Annotated[
        bool,
        typer.Option(
            "--provenance/--no-provenance", help="Note tool, model and settings in the file.", rich_help_panel=WRITING
        ),
    ] = True,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", min=1, help="Only this frame or page, from 1.", show_default="all", rich_help_panel=WRITING
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace files that exist.", rich_help_panel=WRITING)
    ] = False,
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Also pictures in folders below.", rich_help_panel=MANY)
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", help="Only files of this pattern, e.g. '*.jpg' or 'scans/*'.", rich_help_panel=MANY),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="No files of this pattern.", rich_help_panel=MANY)
    ] = None,
    listed: Annotated[
        str | None, typer.Option("--from", help="File with one path a line; - is standard input.", rich_help_panel=MANY)
    ] = None,
    shard: Annotated[
        str, typer.Option("--shard", help="I/N: only the I-th of N parts, for several machines.", rich_help_panel=MANY)
    ] = "1/1",
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=MANY)
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that were refused before.", rich_help_panel=MANY)
    ] = False,
    ledger: Annotated[
        bool,
        typer.Option("--ledger/--no-ledger", help="Remember in the output folder what is done.", rich_help_panel=MANY),
    ] = True,
    max_pixels: Annotated[
        float, typer.Option("--max-pixels", min=0, help="Refuse larger inputs; in megapixels.", rich_help_panel=MACHINE)
    ] = 250.0,
    max_memory: Annotated[
        float | None,
        typer.Option(
            "--max-memory",
            min=0.1,
            help="GiB for the work, roughly.",
            show_default="a quarter of what is free",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    tile: Annotated[
        int,
        typer.Option("-t", "--tile", help="Side of a tile in output pixels; 0: by memory.", rich_help_panel=MACHINE),
    ] = 0,
    device: Annotated[
        str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.", rich_help_panel=MACHINE)
    ] = "auto",
    precision: Annotated[
        str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.", rich_help_panel=MACHINE)
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", help="CPU threads.", show_default="all", rich_help_panel=MACHINE)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, do nothing.", rich_help_panel=REPORT)
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object per file, then a summary.", rich_help_panel=REPORT)
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.", rich_help_panel=REPORT)] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also say how each result was made.", rich_help_panel=REPORT)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=REPORT)] = False,
) -> None:
    """Enlarge pictures by any factor from 1 to 8, or to a size. Results are named NAME_x3.5.EXT.

    A template for --out may have {stem}, {ext}, {scale}, {width}, {height}, {model}, {parent} (name of the picture's
    folder) and {folder} (its path below the input).
    """
    output = Output(json, quiet, verbose)
    if debug:
        logging.basicConfig()
        logging.getLogger("srcli").setLevel(logging.DEBUG)
    with errors(debug, json):
        from srcli import batch, runtime
        from srcli.images.encode import Style

        target, ending = _target(scale, size, long_side, megapixels), _suffix(suffix)
        choice = batch.Choice(recursive, tuple(include or ()), tuple(exclude or ()), batch.parse_shard(shard))
        plan = batch.plan(_inputs(inputs, listed), None if out is None else Path(out), choice, suffix=ending)
        if any(item.file == batch.STREAM for item in plan.items):
            _check_stdout(json)
            output.data_on_stdout = True
        tell_plan(plan, output)
        style = Style(quality, compression, False, _colour(background))
        options = batch.Options(
            ending, style, overwrite, dry_run, None if frame is None else frame - 1, strip, provenance,
            int(max_pixels * 1e6), fail_fast, retry_failed,
        )  # fmt: skip
        from srcli.pipelines.base import Sampling
        from srcli.upscaler import Upscaler, check

        runtime.reuse_heap()
        sampling = check(Sampling(detail, temperature, seed, on_explode, steps, colour))
        if model_file is None:
            bring([model], output)
        memory = None if max_memory is None else int(max_memory * 2**30)
        source = _source(model, model_file, prior)
        upscaler = Upscaler(source, device=device, precision=precision, threads=threads, tile=tile, max_memory=memory)
        upscaler.check_target(target)
        upscaler.settled(sampling)
        warn(upscaler, sampling, output)
        kept = batch.Ledgers(i.root for i in plan.items) if ledger and plan.many and not dry_run else None
        code = _run(plan, batch.Job(upscaler, target, sampling, options, plan.sources, kept), output)
    sys.exit(code)


def _run(plan: Plan, job: Job, output: Output) -> int:
    """All files of a plan, reported; the exit code."""
    from srcli import batch
    from srcli.cli import signals

    control, records, ended = batch.Control.new(), [], False
    code = 0
    try:
        with signals.gently(control, output.notice), progress(len(plan.items), output) as told:
            for record in batch.run(plan.items, job, told, control):
                records.append(record)
                report(record, output, len(plan.items) == 1 and not plan.many)
    except signals.Ended as signal:
        code, ended = signal.code, True
        output.problem(f"srcli: ended by {signal}")
    left = len(plan.items) - len(records)
    if not ended:
        code = INTERRUPTED if control.finish.is_set() and left else batch.exit_code(records, plan.many)
    summary_of(records, job.upscaler, output, code, left)
    if control.finish.is_set() or ended:
        signals.leave(code)
    return code


def _inputs(inputs: list[Path] | None, listed: str | None) -> list[Path]:
    """The arguments, and the lines of a list; one with zero bytes, as find -print0 makes it, is parted by those."""
    from srcli.batch import UsageError

    found = list(inputs or [])
    if listed is not None:
        try:
            text = sys.stdin.buffer.read() if listed == "-" else Path(listed).read_bytes()
        except OSError as error:
            raise UsageError(f"{listed} cannot be read: {error.strerror or error}") from None
        if b"\0" not in text:
            text = text.removeprefix(UTF8_MARK).replace(b"\r\n", b"\n").replace(b"\n", b"\0")
        found += [Path(os.fsdecode(line)) for line in text.split(b"\0") if line]
    if not found:
        raise UsageError("nothing to do: give pictures or folders" + (f"; {listed} has no lines" if listed else ""))
    return found


def _check_stdout(json: bool) -> None:
    from srcli.batch import UsageError

    if json:
        raise UsageError("--json and the picture cannot both go to standard output")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal; redirect it to a file or a program, or use -o FILE")


def _source(model: str | None, file: Path | None, prior: Path | None) -> str | Loaded | None:
    """A model's name, or what is in the files of one."""
    from srcli.batch import UsageError

    if model is not None and file is not None:
        raise UsageError("give either a model's name (-n) or a file (-m), not both")
    if prior is not None and file is None:
        raise UsageError("--prior goes with -m, the file of its flow")
    if file is None:
        return model
    from srcli.weights.given import load_files

    return load_files(file, prior)


def _colour(name: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    from srcli.batch import UsageError

    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        raise UsageError(f"unknown colour {name!r}; use a name such as white, or #rrggbb") from None
    return red, green, blue


def _target(scale: float | None, size: str | None, long_side: int | None, megapixels: float | None) -> Target:
    from srcli.geometry import Target, TargetError

    if size is not None:
        if scale is not None or long_side is not None or megapixels is not None:
            raise TargetError("give exactly one of --scale, --size, --long-side and --megapixels")
        return Target.parse_size(size)
    if scale is None and long_side is None and megapixels is None:
        scale = DEFAULT_SCALE
    return Target(scale=scale, long_side=long_side, megapixels=megapixels)


def _suffix(name: str | None) -> str | None:
    from srcli.batch import UsageError
    from srcli.images.encode import FORMATS

    if name is None:
        return None
    suffix = "." + name.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(f"unknown format {name!r}; use {', '.join(s[1:] for s in FORMATS)}")
    return suffix
