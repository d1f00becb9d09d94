"""`srcli bench`: quality of models on a folder of photos, or their time and memory."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.console import Output, errors

if TYPE_CHECKING:
    from srcli.bench.quality import Row
    from srcli.bench.timing import Timing

EXAMPLES = """Examples:\n
  srcli bench --scales 2,4\n
  srcli bench --megapixels 24 --repeats 1\n
  srcli bench --data Set5/ --scales 2,3,4\n
  srcli bench --data Set14/ --temperature 0,0.4,0.8 --lpips-weights lpips_squeeze.safetensors"""


def command(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of sharp photos to score; without it, time is measured.")
    ] = None,
    scales: Annotated[str, typer.Option("--scales", help="Factors; whole ones with --data.")] = "2,3,4",
    models: Annotated[str, typer.Option("--models", help="Model names.")] = "linf-lp-s,linf-s",
    detail: Annotated[str, typer.Option("--detail", help="Values for models with a prior.")] = "0,1",
    temperature: Annotated[str, typer.Option("--temperature", help="Values for sampled models.")] = "0",
    seed: Annotated[int, typer.Option("--seed", help="Seed of sampled models.")] = 0,
    lpips_weights: Annotated[
        Path | None, typer.Option("--lpips-weights", help="LPIPS-Squeeze v0.1: trunk and heads as safetensors.")
    ] = None,
    per_image: Annotated[Path | None, typer.Option("--csv", help="Also write the scores of each picture.")] = None,
    megapixels: Annotated[float, typer.Option("--megapixels", min=0.01, help="Output to time.")] = 1.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Timed runs after a warm-up.")] = 5,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.", show_default="all")] = None,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Score models on photos: PSNR-Y (dB), LPIPS-Squeeze v0.1 and grid score (natural photos: about 1). Without
    photos: seconds per output megapixel and the memory above the process at rest."""
    output = Output(json)
    with errors(debug, json):
        from srcli import runtime
        from srcli.batch import UsageError
        from srcli.bench import quality, timing
        from srcli.metrics.lpips import LPIPS
        from srcli.pipelines.base import Sampling
        from srcli.upscaler import Upscaler, check

        runtime.reuse_heap()
        variants = []
        for name in models.split(","):
            upscaler = Upscaler(name.strip(), device=device, precision=precision, threads=threads)
            if "prior" in upscaler.entry.parts:
                choices = [Sampling(detail=v) for v in _numbers(detail, "--detail")]
            else:
                choices = [Sampling(temperature=v, seed=seed) for v in _numbers(temperature, "--temperature")]
            variants += [quality.Variant(upscaler, check(c)) for c in choices]
        factors = _numbers(scales, "--scales")
        if data is None:
            timings = list(timing.measure(variants, factors, megapixels, repeats))
            for timed in timings:
                output.record(timed.to_dict())
            if not json:
                _times(timings, output)
            return
        whole = [int(v) for v in factors if v.is_integer() and v >= 2]
        if len(whole) != len(factors):
            raise UsageError(f"--scales takes whole factors of at least 2 with --data, not {scales!r}")
        lpips = LPIPS.load(lpips_weights) if lpips_weights else None
        scores = list(quality.score(variants, quality.photos(data), whole, lpips, _progress(output)))
        if per_image is not None:
            with per_image.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(asdict(scores[0])))
                writer.writeheader()
                writer.writerows(asdict(s) for s in scores)
        rows = quality.summarise(scores)
        for row in rows:
            output.record(row.to_dict())
        if not json:
            _table(rows, data.name, output)


def _numbers(text: str, option: str) -> list[float]:
    from srcli.batch import UsageError

    try:
        return [float(v) for v in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} takes numbers separated by commas, not {text!r}") from None


def _progress(output: Output):
    if output.json or not sys.stderr.isatty():
        return lambda done, total: None
    return lambda done, total: print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr)


def _table(rows: list[Row], title: str, output: Output) -> None:
    from rich.table import Table

    table = Table(title=title)
    for heading in ("scale", "model", "PSNR-Y", "LPIPS-Squeeze v0.1", "grid median", "grid worst"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for number, row in enumerate(rows):
        last = number + 1 == len(rows) or rows[number + 1].scale != row.scale
        distance = "" if row.lpips_squeeze is None else f"{row.lpips_squeeze:.4f}"
        grid = ("" if g is None else f"{g:.2f}" for g in (row.grid_median, row.grid_worst))
        table.add_row(f"x{row.scale}", row.variant, f"{row.psnr_y:.2f}", distance, *grid, end_section=last)
    output.out.print(table)


def _times(timings: list[Timing], output: Output) -> None:
    from rich.table import Table

    table = Table(title=f"{timings[0].repeats} runs after a warm-up")
    for heading in ("scale", "model", "output", "s/Mpx", "fastest", "slowest", "tiles", "memory above idle"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for number, row in enumerate(timings):
        last = number + 1 == len(timings) or timings[number + 1].scale != row.scale
        memory = "" if row.memory_above_idle is None else f"{row.memory_above_idle / 1e6:.0f} MB"
        seconds = (f"{v:.3f}" for v in (row.seconds_per_megapixel, row.fastest, row.slowest))
        table.add_row(f"x{row.scale:g}", row.variant, row.output, *seconds, str(row.tiles), memory, end_section=last)
    output.out.print(table)
