"""`srcli upscale`: pictures and folders in, larger pictures out."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.console import Output, errors

if TYPE_CHECKING:
    from srcli.batch import Item, Record
    from srcli.geometry import Target
    from srcli.upscaler import Upscaler

DEFAULT_SCALE = 4.0

EXAMPLES = """Examples:\n
  srcli upscale photo.jpg --scale 3.5\n
  srcli upscale photo.jpg --size 3840x -o large/\n
  srcli upscale scans/ -o out/ --recursive --long-side 4000 -f png\n
  srcli upscale photo.jpg -s 4 --detail 0.5 --json"""


def command(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Pictures or folders.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File (one input) or folder. Default: beside the input.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option("-s", "--scale", help="Any factor from 1 to 8, e.g. 3.5.", show_default="4")
    ] = None,
    size: Annotated[str | None, typer.Option("--size", help="3840x2160, 3840x (width) or x2160 (height).")] = None,
    long_side: Annotated[int | None, typer.Option("--long-side", help="Pixels of the longer side.")] = None,
    megapixels: Annotated[float | None, typer.Option("--megapixels", help="Area of the result.")] = None,
    model: Annotated[str | None, typer.Option("-n", "--model", help="Model name; the default is linf-lp-s.")] = None,
    detail: Annotated[
        float, typer.Option("--detail", help="0: most faithful, 1: sharpest (linf-lp-s, flowsr-s).")
    ] = 1.0,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Randomness of sampled models such as linf-s; 0 is their mean.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the randomness.")] = 0,
    steps: Annotated[int, typer.Option("--steps", help="Network evaluations of rectified flows such as flowsr-s.")] = 1,
    colour: Annotated[
        str | None, typer.Option("--colour", help="Colour fix of rectified flows: none, wavelet or adain.")
    ] = None,
    suffix: Annotated[str | None, typer.Option("-f", "--format", help="png, jpg, webp, tif or bmp.")] = None,
    quality: Annotated[int, typer.Option("--quality", min=1, max=100, help="Of JPEG and WebP.")] = 95,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Also pictures in folders below.")] = False,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace files that exist.")] = False,
    tile: Annotated[int, typer.Option("-t", "--tile", help="Side of a tile in output pixels; 0: by memory.")] = 0,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.", show_default="all")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file, then a summary.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Also say how each result was made.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Enlarge pictures by any factor from 1 to 8, or to a size. Results are named NAME_x3.5.EXT."""
    output = Output(json, quiet, verbose)
    if debug:
        logging.basicConfig()
        logging.getLogger("srcli").setLevel(logging.DEBUG)
    with errors(debug, json):
        from srcli import batch, runtime

        target = _target(scale, size, long_side, megapixels)
        ending = _suffix(suffix)
        plan = batch.plan(inputs, out, recursive=recursive, suffix=ending)
        if plan.left_out:
            names = ", ".join(p.name for p in plan.left_out[:3]) + (", ..." if len(plan.left_out) > 3 else "")
            output.notice(f"left out, as results of earlier runs: {names}; name them to enlarge them again")
        items = plan.items
        from srcli.pipelines.base import Sampling
        from srcli.upscaler import Upscaler, check

        runtime.reuse_heap()
        sampling = check(Sampling(detail, temperature, seed, steps, colour))
        upscaler = Upscaler(model, device=device, precision=precision, threads=threads, tile=tile)
        upscaler.check_target(target)
        if temperature and "prior" in upscaler.entry.parts and detail > 0:
            output.notice(f"--temperature has no effect on {upscaler.entry.name}; use -n linf-s")
        if detail != 1.0 and not {"prior", "velocity"} & set(upscaler.entry.parts):
            output.notice(f"--detail has no effect on {upscaler.entry.name}; it has no prior")
        if (steps != 1 or colour) and "velocity" not in upscaler.entry.parts:
            output.notice(f"--steps and --colour have no effect on {upscaler.entry.name}")
        records = []
        with _progress(len(items), output) as progress:
            options = batch.Options(ending, quality, overwrite, dry_run)
            for record in batch.run(items, upscaler, target, sampling, options, progress):
                records.append(record)
                _report(record, output, len(items) == 1)
        code = batch.exit_code(records)
        _summary(records, upscaler, output, code)
    sys.exit(code)


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
    from srcli.images.write import FORMATS

    if name is None:
        return None
    suffix = "." + name.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(f"unknown format {name!r}; use {', '.join(s[1:] for s in FORMATS)}")
    return suffix


@contextmanager
def _progress(count: int, output: Output) -> Iterator[Callable[[Item, int, int], None]]:
    """A bar with the share of the output done, its speed and the time left; nothing where nobody looks."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    if output.quiet or output.json or not sys.stderr.isatty():
        yield lambda item, done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.err, transient=True) as bar:
        output.live = bar.console
        number, current, task, started = 0, None, bar.add_task("", total=1, rate=""), 0.0

        def advance(item: Item, done: int, total: int) -> None:
            nonlocal number, current, started
            if item is not current:
                number, current, started = number + 1, item, time.monotonic()
                name = item.source.name if count == 1 else f"{number}/{count} {item.source.name}"
                bar.reset(task, description=name, total=total, rate="")
            rate = done / 1e6 / max(1e-9, time.monotonic() - started)
            bar.update(task, completed=done, total=total, rate=f"{rate:.1f} Mpx/s")

        try:
            yield advance
        finally:
            output.live = None


def _report(record: Record, output: Output, alone: bool) -> None:
    """`alone`: no other file; then a skip is the failure of the run, and said even when quiet."""
    output.record(record.to_dict())
    if record.status == "failed":
        output.problem(f"failed: {record.error}")
    elif record.status == "skipped":
        (output.problem if alone else output.notice)(f"skipped: {record.error}")
    else:
        how = f"{record.width}x{record.height}"
        if record.status == "done":
            how += f", {record.seconds:.1f} s" + (f", {record.tiles} tiles" if output.verbose else "")
        output.say(f"{record.output} ({how})" + (" would be made" if record.status == "planned" else ""))
    if not output.json:
        for note in record.notes:
            output.notice(f"{record.input}: {note}")


def _summary(records: list[Record], upscaler: Upscaler, output: Output, code: int) -> None:
    counts = Counter(r.status for r in records)
    summary = {
        "summary": dict(counts),
        "exit_code": code,
        "model": upscaler.entry.name,
        "device": str(upscaler.runtime.device),
        "precision": upscaler.runtime.precision,
        "tiling": "exact",
        "failed": [r.input for r in records if r.status == "failed"],
    }
    output.record(summary)
    if len(records) > 1:
        output.say(", ".join(f"{n} {status}" for status, n in counts.items()))
    if output.verbose:
        how = upscaler.runtime
        output.notice(
            f"{upscaler.entry.name} on {how.device} in {how.precision} ({how.reason}), {upscaler.threads} threads"
        )
