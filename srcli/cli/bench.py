"""`srcli bench`: quality of models on a folder of photos."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.console import Output, errors

if TYPE_CHECKING:
    from srcli.bench import Row

EXAMPLES = """Examples:\n
  srcli bench --data Set5/ --scales 2,3,4\n
  srcli bench --data Set14/ --temperature 0,0.4,0.8 --lpips-weights lpips_squeeze.safetensors"""


def command(
    data: Annotated[Path, typer.Option("--data", help="Folder of sharp photos.", show_default=False)],
    scales: Annotated[str, typer.Option("--scales", help="Whole factors.")] = "2,3,4",
    models: Annotated[str, typer.Option("--models", help="Model names.")] = "linf-lp-s,linf-s",
    detail: Annotated[str, typer.Option("--detail", help="Values for models with a prior.")] = "0,1",
    temperature: Annotated[str, typer.Option("--temperature", help="Values for sampled models.")] = "0",
    seed: Annotated[int, typer.Option("--seed", help="Seed of sampled models.")] = 0,
    lpips_weights: Annotated[
        Path | None, typer.Option("--lpips-weights", help="LPIPS-Squeeze v0.1: trunk and heads as safetensors.")
    ] = None,
    per_image: Annotated[Path | None, typer.Option("--csv", help="Also write the scores of each picture.")] = None,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Score models: PSNR-Y (dB), LPIPS-Squeeze v0.1 and grid score (natural photos: about 1)."""
    output = Output(json)
    with errors(debug):
        from srcli import bench, runtime
        from srcli.batch import UsageError
        from srcli.metrics.lpips import LPIPS
        from srcli.pipelines.base import Sampling
        from srcli.upscaler import Upscaler, check

        runtime.reuse_heap()
        variants = []
        for name in models.split(","):
            upscaler = Upscaler(name.strip(), device=device, precision=precision)
            if "prior" in upscaler.entry.parts:
                choices = [Sampling(detail=v) for v in _numbers(detail, "--detail")]
            else:
                choices = [Sampling(temperature=v, seed=seed) for v in _numbers(temperature, "--temperature")]
            variants += [bench.Variant(upscaler, check(c)) for c in choices]
        lpips = LPIPS.load(lpips_weights) if lpips_weights else None
        factors = [int(v) for v in _numbers(scales, "--scales") if v.is_integer() and v >= 2]
        if len(factors) != len(scales.split(",")):
            raise UsageError(f"--scales takes whole factors of at least 2, not {scales!r}")
        scores = list(bench.score(variants, bench.photos(data), factors, lpips, _progress(output)))
        if per_image is not None:
            with per_image.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(asdict(scores[0])))
                writer.writeheader()
                writer.writerows(asdict(s) for s in scores)
        rows = bench.summarise(scores)
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
        grid = (f"{row.grid_median:.2f}", f"{row.grid_worst:.2f}")
        table.add_row(f"x{row.scale}", row.variant, f"{row.psnr_y:.2f}", distance, *grid, end_section=last)
    output.out.print(table)
