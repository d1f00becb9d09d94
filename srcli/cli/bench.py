"""`srcli bench`: quality of models or of ready pictures on a folder of photos; time and memory of models."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srcli.cli.console import Output, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srcli.bench.metrics import Metric
    from srcli.bench.quality import Course, Row
    from srcli.bench.timing import Timing
    from srcli.bench.variants import Model, Variant

EXAMPLES = """Examples:\n
  srcli bench --scales 2,4\n
  srcli bench --megapixels 24 --repeats 1\n
  srcli bench --data Set5/ --scales 2,3,4 --report results/\n
  srcli bench --data Set14/ --models bicubic,linf-s --temperature 0,0.4,0.8 --lpips-weights lpips_squeeze.safetensors\n
  srcli bench --score esrgan-results/ --data Set14/ --scale 4 --json"""

SOME_FAILED = 3


def command(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of sharp photos to score; without it, time is measured.")
    ] = None,
    scales: Annotated[
        str | None, typer.Option("--scales", "--scale", help="Factors; whole ones with --data.", show_default="2,3,4")
    ] = None,
    models: Annotated[
        str | None, typer.Option("--models", help="Names; 'bicubic' with --data.", show_default="all embedded")
    ] = None,
    detail: Annotated[str, typer.Option("--detail", help="Values for models with a prior.")] = "0,1",
    temperature: Annotated[str, typer.Option("--temperature", help="Values for sampled models.")] = "0",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Samples of each picture above temperature 0.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The first seed.")] = 0,
    score: Annotated[
        list[Path] | None, typer.Option("--score", help="Folder of ready results of --data, matched by name.")
    ] = None,
    low: Annotated[
        Path | None, typer.Option("--lr", help="Folder of small pictures instead of bicubic ones of --data.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics", help="Names, e.g. psnr_y,ssim_y,colour,inf.", show_default="those that have what they need"
        ),
    ] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option("--lpips-weights", help="LPIPS-Squeeze v0.1: trunk and heads as safetensors.")
    ] = None,
    lpips_alex_weights: Annotated[
        Path | None, typer.Option("--lpips-alex-weights", help="LPIPS-Alex v0.1: trunk and heads as safetensors.")
    ] = None,
    niqe_parameters: Annotated[Path | None, typer.Option("--niqe-parameters", help="NIQE: safetensors.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder for scores.csv, results.json and index.html; resumable.")
    ] = None,
    megapixels: Annotated[float, typer.Option("--megapixels", min=0.01, help="Output to time.")] = 1.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Timed runs after a warm-up.")] = 5,
    tile: Annotated[int, typer.Option("-t", "--tile", help="Side of a tile in output pixels; 0: by memory.")] = 0,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.", show_default="all")] = None,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Score models on photos (PSNR, SSIM, LPIPS, NIQE, LR-PSNR, grid score), or pictures that other tools have made.
    Without photos: seconds per output megapixel by stage, and the memory above the process at rest."""
    output = Output(json)
    course = None
    with errors(debug, json):
        from srcli import runtime
        from srcli.batch import UsageError
        from srcli.bench import metrics as known
        from srcli.bench import quality

        runtime.reuse_heap()
        runtime.set_threads(threads)
        factors = _numbers(scales or "2,3,4", "--scales")
        samplings = (_numbers(detail, "--detail"), _numbers(temperature, "--temperature"), seed, seeds)
        if score and models is None:
            models = ""
        variants = _models(models, samplings, device, precision, tile)
        if data is None:
            if score or low:
                raise UsageError("--score and --lr need the photos: --data FOLDER")
            _time([v for v in variants if v.label != "bicubic"], factors, megapixels, repeats, report, output)
            return
        whole = [int(v) for v in factors if v.is_integer() and v >= 2]
        if len(whole) != len(factors):
            raise UsageError(f"--scales takes whole factors of at least 2 with --data, not {scales!r}")
        files = known.Files(lpips_weights, lpips_alex_weights, niqe_parameters)
        chosen = known.choose(metrics.split(",") if metrics else None, files, tile)
        photos = quality.Photos(data, low)
        everything = [*(_ready(score, whole)), *variants]
        course = _score(everything, photos, whole, chosen, report, output)
        for problem in course.problems:
            output.problem(problem)
    if course is not None and course.problems:
        raise typer.Exit(SOME_FAILED)


def _models(names: str | None, samplings: tuple, device: str, precision: str, tile: int) -> list[Any]:
    """The variants that the options ask for."""
    from srcli.bench.variants import Bicubic, Model
    from srcli.pipelines.base import Sampling
    from srcli.upscaler import Upscaler, check
    from srcli.weights import manifest

    details, temperatures, seed, seeds = samplings
    made: list[Bicubic | Model] = []
    wanted = (
        ["bicubic", *manifest.load().entries] if names is None else [n.strip() for n in names.split(",") if n.strip()]
    )
    for name in wanted:
        if name == "bicubic":
            made.append(Bicubic())
            continue
        upscaler = Upscaler(name, device=device, precision=precision, tile=tile)
        if "prior" in upscaler.entry.parts:
            made += [Model(upscaler, check(Sampling(detail=v))) for v in details]
        else:
            choices = [check(Sampling(temperature=v, seed=seed)) for v in temperatures]
            made += [Model(upscaler, c, seeds if c.temperature else 1) for c in choices]
    return made


def _ready(score: list[Path] | None, scales: list[int]) -> list[Variant]:
    from srcli.batch import UsageError
    from srcli.bench.variants import Ready

    if score and len(scales) != 1:
        raise UsageError("ready pictures have one scale: --scale N")
    return [Ready(folder) for folder in score or []]


def _score(
    variants: Sequence[Variant], photos, scales: list[int], metrics: list[Metric], folder: Path | None, output: Output
) -> Course:
    """Scores everything, shows the means, writes the report where one is wanted."""
    from srcli.bench import quality
    from srcli.bench.results import Results
    from srcli.report.bench import Crops

    course, results = quality.Course(), None
    if folder is not None:
        results = Results.open(folder, _settings(variants, photos, metrics), metrics)
    crops = Crops(max(scales), [v.label for v in variants])
    if folder is not None:
        crops.read(folder / "crops.json")
    scores = [] if results is None else results.wanted([v.label for v in variants], scales)
    done = (lambda *key: False) if results is None else results.done
    for one in quality.score(variants, photos, scales, metrics, course, done, crops.see, _progress(output)):
        if results is None:
            scores.append(one)
        else:
            results.add(one)
    if results is not None:
        scores = results.wanted([v.label for v in variants], scales)
    rows = quality.summarise(scores, metrics)
    for row in rows:
        output.record(row.to_dict())
    if not output.json and rows:
        _table(rows, metrics, photos.folder.name, output)
    if folder is not None:
        crops.write(folder / "crops.json")
        _report(folder, output, metrics=metrics, rows=rows, scores=scores, crops=crops.found, course=course)
    return course


def _settings(variants: Sequence[Variant], photos, metrics: list[Metric]) -> dict[str, Any]:
    """What scores depend on."""
    from srcli import __version__
    from srcli.bench.variants import Model

    models = {
        v.label: {
            "weights": [p.sha256 for p in v.upscaler.entry.parts.values()],
            "precision": v.upscaler.runtime.precision,
        }
        | {"device": v.upscaler.runtime.device.type, "seeds": v.seeds, "seed": v.sampling.seed}
        for v in variants
        if isinstance(v, Model)
    }
    low = None if photos.low is None else str(photos.low.folder.resolve())
    return {
        "srcli": __version__,
        "data": str(photos.folder.resolve()),
        "low": low,
        "metrics": [m.name for m in metrics],
        "models": models,
    }


def _time(
    variants: Sequence[Model], scales: list[float], megapixels: float, repeats: int, folder: Path | None, output: Output
) -> None:
    from srcli.batch import UsageError
    from srcli.bench import timing

    if not variants:
        raise UsageError("no model to time; give --models")
    timings = []
    for scale in scales:
        pictures = [timing.square(megapixels, scale), *timing.examples()]
        for timed in timing.measure(variants, pictures, scale, repeats):
            timings.append(timed)
            output.record(timed.to_dict())
    peak = timing.convolution_peak(variants[0].upscaler.runtime)
    if not output.json:
        _times(timings, peak, output)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _report(folder, output, timings=timings, peak=peak)


def _report(folder: Path, output: Output, course: Course | None = None, **parts: Any) -> None:
    import datetime
    import json

    from srcli.cli.doctor import collect
    from srcli.report.bench import Report
    from srcli.report.page import finite

    facts = collect()
    shown = ("srcli", "python", "platform", "cpu", "torch", "devices", "device", "precision", "threads")
    about = f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    if course is not None and course.making:
        about += f"; {course.making:.0f} s making pictures, {course.measuring:.0f} s measuring them"
    made = Report(
        about=about,
        command=shlex.join(["srcli", *sys.argv[1:]]),
        environment={k: str(facts[k]) for k in shown},
        problems=course.problems if course else (),
        **parts,
    )
    (folder / "results.json").write_text(json.dumps(finite(made.to_dict()), indent=1) + "\n")
    made.write(folder / "index.html")
    output.say(f"{folder / 'index.html'}")


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


def _table(rows: list[Row], metrics: list[Metric], title: str, output: Output) -> None:
    from rich.table import Table

    columns = [column for metric in metrics for column in metric.columns()]
    table = Table(title=title)
    table.add_column("scale", justify="right")
    table.add_column("model")
    for _, heading, _ in columns:
        table.add_column(heading, justify="right")
    for number, row in enumerate(rows):
        last = number + 1 == len(rows) or rows[number + 1].scale != row.scale
        values = ("" if (v := row.values.get(name)) is None else f"{v:.{digits}f}" for name, _, digits in columns)
        table.add_row(f"x{row.scale}", row.variant, *values, end_section=last)
    output.table(table)


def _times(timings: list[Timing], peak: float, output: Output) -> None:
    from rich.table import Table

    stages = list(dict.fromkeys(s for t in timings for s in t.stages))
    table = Table(
        title=f"seconds per output megapixel, {timings[0].repeats} runs after a warm-up",
        caption=f"the machine's own 3x3 convolution: {peak:.0f} GFLOP/s",
    )
    for heading in ("scale", "model", "picture", "output", "s/Mpx", "fastest", "slowest", *stages, "GFLOP/s", "memory"):
        table.add_column(heading, justify="left" if heading in ("model", "picture") else "right")
    for number, row in enumerate(timings):
        last = number + 1 == len(timings) or timings[number + 1].scale != row.scale
        memory = "" if row.memory_above_idle is None else f"{row.memory_above_idle / 1e6:.0f} MB"
        parts = (f"{row.stages.get(s, 0) / row.megapixels:.3f}" for s in stages)
        seconds = (f"{v:.3f}" for v in (row.seconds_per_megapixel, row.fastest, row.slowest))
        table.add_row(
            f"x{row.scale:g}", row.variant, row.picture, row.output, *seconds, *parts, f"{row.gflops:.0f}", memory,
            end_section=last,
        )  # fmt: skip
    output.table(table)
