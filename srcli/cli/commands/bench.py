"""`srcli bench`: quality of models or of ready pictures on a folder of photos; time and memory of models."""

from __future__ import annotations

import shlex
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srcli.cli.shared import bench_view
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, fetch_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srcli.bench.variants import Model, Variant
    from srcli.tiling.model import Sampling
    from srcli.upscaler import Upscaler

EXAMPLES = """Examples:\n
  srcli bench --scales 2,4\n
  srcli bench --megapixels 24 --repeats 1\n
  srcli bench --roofline --models linf-lp-s --scale 4 --device cuda\n
  srcli bench --data Set5/ --scales 2,3,4 --report results/\n
  srcli bench --data Set14/ --models bicubic,linf-s --temperature 0,0.4,0.8 --lpips-weights lpips_squeeze.safetensors\n
  srcli bench --score esrgan-results/ --data Set14/ --scale 4 --json"""

SOME_FAILED = 3


def command(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of sharp photos to score; without it, time is measured.")
    ] = None,
    scales: Annotated[str, typer.Option("--scales", "--scale", help="Factors; with --data whole ones.")] = "2,3,4",
    models: Annotated[
        str | None,
        typer.Option("--models", help="Names; 'bicubic' with --data.", show_default="all embedded"),
    ] = None,
    manifest: MANIFEST = None,
    detail: Annotated[
        str, typer.Option("--detail", help="Values for models with a prior or a dial, as far as they go.")
    ] = "0,1",
    temperature: Annotated[str, typer.Option("--temperature", help="Values for sampled models.")] = "0",
    steps: Annotated[str, typer.Option("--steps", help="Values for rectified flows and flow maps.")] = "1",
    denoise: Annotated[
        str | None, typer.Option("--denoise", help="Values for realesr-general-x4v3.", show_default="1")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Samples of each picture above temperature 0.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first seed.")] = 0,
    score: Annotated[
        list[Path] | None, typer.Option("--score", help="Folder of ready results of --data, matched by name.")
    ] = None,
    low: Annotated[
        Path | None, typer.Option("--lr", help="Folder of small pictures instead of bicubic ones of --data.")
    ] = None,
    degradation: Annotated[
        str | None, typer.Option("--degradation", help="Degrade the small pictures: light, moderate or heavy.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Names, e.g. psnr_y,ssim_y,colour,inf.", show_default="the usual"),
    ] = None,
    lpips_weights: Annotated[
        Path | None,
        typer.Option("--lpips-weights", help="LPIPS-Squeeze v0.1, trunk and heads.", show_default="what was pulled"),
    ] = None,
    lpips_alex_weights: Annotated[Path | None, typer.Option("--lpips-alex-weights", help="LPIPS-Alex v0.1.")] = None,
    lpips_vgg_weights: Annotated[Path | None, typer.Option("--lpips-vgg-weights", help="LPIPS-VGG v0.1.")] = None,
    niqe_parameters: Annotated[Path | None, typer.Option("--niqe-parameters", help="NIQE: safetensors.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder for scores.csv, results.json and index.html; resumable.")
    ] = None,
    megapixels: Annotated[float, typer.Option("--megapixels", min=0.01, help="Output to time.")] = 1.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Timed runs after a warm-up.")] = 5,
    roofline: Annotated[
        bool, typer.Option("--roofline", help="Time each stage against the device's matrix product and copy.")
    ] = False,
    tile: Annotated[int, typer.Option("-t", "--tile", help="Side of a tile in output pixels; 0: by memory.")] = 0,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.", show_default="all")] = None,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, xpu, mps.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Score models on photos (PSNR, SSIM, LPIPS, NIQE, LR-PSNR, grid score), or pictures that other tools have made.
    Without photos: seconds per output megapixel by stage, and the memory above the process at rest."""
    output, code = Output(json), 0
    with errors(debug, json):
        from srcli import runtime
        from srcli.batch import UsageError
        from srcli.bench import metrics as known
        from srcli.bench import quality, run
        from srcli.bench.variants import Ready, distinct

        runtime.reuse_heap()
        runtime.set_threads(threads)
        chosen = runtime.choose(device, precision)
        sweeps = _sweeps(detail, temperature, steps, denoise, seed)
        _check_given(degradation, low, data, report, roofline)
        factors = _factors(scales, whole=data is not None)
        named = models is not None or bool(score)
        names = [n.strip() for n in (models or "").split(",") if n.strip()] if named else _embedded(factors, output)
        fetch_models([name for name in names if name != "bicubic"], output)
        if data is None:
            if score or low:
                raise UsageError("--score and --lr need the photos: --data FOLDER")
            made = [v for v in _models(names, sweeps, seeds, (device, precision, tile)) if v.label != "bicubic"]
            (_roofline if roofline else _time)(made, factors, megapixels, repeats, report, output)
            return
        whole = [int(v) for v in factors]
        if (score or low) and len(whole) != 1:
            raise UsageError("ready pictures have one scale: --scale N")
        given = {"squeeze": lpips_weights, "alex": lpips_alex_weights, "vgg": lpips_vgg_weights}
        lpips = {f"lpips_{kind}": _lpips(kind, path) for kind, path in given.items()}
        files = known.Files(**lpips, niqe=() if niqe_parameters is None else (niqe_parameters,))
        wanted = known.choose(metrics.split(",") if metrics else None, files, tile, seeds)
        photos = quality.Photos(data, low, degradation)
        everything = [Ready(folder) for folder in score or []]
        everything += _models(names, sweeps, seeds, (device, precision, tile))
        variants = distinct(everything)
        if not variants:
            raise UsageError("nothing to score; give --models or --score")
        _check(variants, whole)
        settings = run.settings_of(variants, photos, wanted, files, tile)
        scored = run.score(variants, photos, whole, wanted, settings, report, bench_view.progress(output))
        for row in scored.rows:
            output.record(row.to_dict())
        if not json:
            bench_view.scores(scored.rows, wanted, photos.folder.resolve().name, output)
        if report is not None:
            output.say(str(run.publish_quality(report, _command(), chosen, wanted, scored)))
        for problem in scored.log.problems:
            output.problem(problem)
        if scored.log.problems:
            code = SOME_FAILED if scored.scores else 1
    if code:
        raise typer.Exit(code)


def _command() -> str:
    return shlex.join(["srcli", *sys.argv[1:]])


def _check_given(preset: str | None, low: Path | None, data: Path | None, report: Path | None, roofline: bool) -> None:
    from srcli.batch import UsageError
    from srcli.degradation.presets import PRESETS

    if roofline and (data is not None or report is not None):
        raise UsageError("--roofline times stages and prints them, without --data and --report")
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"unknown degradation {preset!r}; use {', '.join(PRESETS)}")
    if preset is not None and (low is not None or data is None):
        raise UsageError("--degradation makes the small pictures of --data, instead of --lr")


def _sweeps(detail: str, temperature: str, steps: str, denoise: str | None, seed: int) -> dict[str, list[Any]]:
    """The values that models are run at, by dial."""
    evaluations = [int(v) for v in _numbers(steps, "--steps")]
    values: dict[str, list[Any]] = {
        "steps": evaluations,
        "detail": _numbers(detail, "--detail"),
        "temperature": _numbers(temperature, "--temperature"),
        "seed": [seed],
    }
    if denoise is not None:
        values["denoise"] = _numbers(denoise, "--denoise")
    return values


def _samplings(upscaler: Upscaler, sweeps: dict[str, list[Any]]) -> list[Sampling]:
    """All combinations of the values of the dials that a model has and is run along; dials it has not stay as they
    are."""
    from srcli.methods.dials import check
    from srcli.tiling.model import Sampling

    controls = upscaler.method.controls if upscaler.method else ()  # `auto` sets its models' dials itself
    swept = [control.name for control in controls if control.swept and upscaler.has(control.name)]
    # Without a dial at all, as bicubic is, one run tells everything; the seed counts where something is drawn.
    names = [name for name in sweeps if name in swept or (name == "seed" and not {"steps", "detail"} & set(swept))]
    combinations = product(*(sweeps[name] for name in names))
    return [check(Sampling(**dict(zip(names, values, strict=True)))) for values in combinations]


def _embedded(factors: Sequence[float], output: Output) -> list[str]:
    """The baseline and all models of the package that make these scales; the others are named."""
    from srcli.weights import manifest

    ours = [e for e in manifest.load().entries.values() if e.embedded and e.enlarges]
    made = [e.name for e in ours if e.scales[0] <= min(factors) and max(factors) <= e.scales[1]]
    if lacking := [e.name for e in ours if e.name not in made]:
        output.notice(f"left out, for they do not make all of these scales: {', '.join(lacking)}")
    return ["bicubic", *(name for name in made if name not in ("auto", "bicubic"))]


def _models(names: Sequence[str], sweeps: dict[str, list[Any]], seeds: int, engine: tuple[str, str, int]) -> list:
    """The models of these names, each with its choices."""
    from srcli.batch import UsageError
    from srcli.bench.variants import Bicubic, Model
    from srcli.upscaler import Upscaler

    device, precision, tile = engine
    made: list[Bicubic | Model] = []
    for name in names:
        if name == "bicubic":
            made.append(Bicubic())
            continue
        upscaler = Upscaler(name, device=device, precision=precision, tile=tile)
        choices = _samplings(upscaler, sweeps)
        known = [c for c in choices if c.detail <= (upscaler.model.most_detail or 1.0)]
        if not known:
            upscaler.settled(choices[0])  # says what the model knows
        made += [Model(upscaler, c, seeds if c.temperature else 1) for c in known]
    if "denoise" in sweeps and all(m.sampling.denoise is None for m in made if isinstance(m, Model)):
        raise UsageError(f"--denoise does not work with any of: {', '.join(names)}")
    return made


def _lpips(kind: str, given: Path | None) -> tuple[Path, ...]:
    """The file that was named, else what was pulled."""
    from srcli.weights import manifest, store

    if given is not None:
        return (given,)
    entry = manifest.load().entries.get(f"lpips-{kind}")
    return () if entry is None or store.missing(entry) else tuple(map(store.locate, entry.parts.values()))


def _check(variants: Sequence[Variant], scales: list[int]) -> None:
    """Scales and dials that a model does not take are found out before the first picture."""
    from srcli.bench.variants import Model
    from srcli.geometry import Target

    for variant in variants:
        if isinstance(variant, Model):
            for scale in scales:
                variant.upscaler.check_target(Target(scale=scale))
            variant.upscaler.settled(variant.sampling)


def _time(
    variants: Sequence[Model], scales: list[float], megapixels: float, repeats: int, folder: Path | None, output: Output
) -> None:
    from srcli import files
    from srcli.batch import UsageError
    from srcli.bench import run, timing

    if not variants:
        raise UsageError("no model to time; give --models")
    _check(variants, scales)  # type: ignore[arg-type]
    if folder is not None:
        files.make_folder(folder)
    chosen = variants[0].upscaler.runtime
    peak = timing.convolution_peak(chosen)
    timings = []
    for timed in timing.measure(variants, scales, megapixels, repeats):
        timings.append(timed)
        output.record(timed.to_dict() | {"peak_gflops": peak})
    if not output.json:
        bench_view.times(timings, peak, output)
    if folder is not None:
        output.say(str(run.publish_times(folder, _command(), chosen, timings, peak)))


def _roofline(
    variants: Sequence[Model], scales: list[float], megapixels: float, repeats: int, _: Path | None, output: Output
) -> None:
    from srcli.batch import UsageError
    from srcli.bench import peaks, roofline

    if not variants:
        raise UsageError("no model to time; give --models")
    _check(variants, scales)  # type: ignore[arg-type]
    measured, found = peaks.peaks_of(variants[0].upscaler.runtime), []
    for row in roofline.measure(variants, scales, megapixels, repeats, measured):
        found.append(row)
        output.record(row.to_dict())
    if not output.json:
        bench_view.rooflines(found, output)


def _numbers(text: str, option: str) -> list[float]:
    from srcli.batch import UsageError

    try:
        return list(dict.fromkeys(float(v) for v in text.split(",")))
    except ValueError:
        raise UsageError(f"{option} takes numbers separated by commas, not {text!r}") from None


def _factors(text: str, whole: bool) -> list[float]:
    from srcli.batch import UsageError

    factors = _numbers(text, "--scales")
    if whole and not all(v.is_integer() and v >= 2 for v in factors):
        raise UsageError(f"--scales takes whole factors of at least 2 with --data, not {text!r}")
    return factors
