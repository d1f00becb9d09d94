"""`srcli train`: run a recipe, export and average weights, plot curves."""

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.commands import train_ablation, train_export, train_pairs, train_sheet
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.training import data as train_data
from srcli.cli.shared.training import listing
from srcli.cli.shared.training import options as train_options
from srcli.cli.shared.training.degraded import SOLVER_STEPS
from srcli.cli.usage.command import App
from srcli.training.catalogue import packaged

if TYPE_CHECKING:
    from srcli.training.loop import Trainer
    from srcli.training.recipe import Recipe

app = App(
    help="Train a model by a recipe, export and average weights, plot curves. `srcli train list` shows the recipes, "
    "`srcli train sheet` what they learn from.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

MAPS = "Flow maps"


# No `from __future__ import annotations` here: typer would evaluate the strings of `run` four times for each recipe,
# a quarter of the time of `srcli --help`.
def run(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.", show_default=False)],
    data: Annotated[Path | None, typer.Option("--data", help="Folder of sharp photos.", show_default=False)] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            help="Instead of --data: real levels in the layout of RealSR (degflow), or lessons (srcli train pairs).",
            show_default=False,
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            help="With --data: the model to learn from, by name or file. With --show: it gets a column of its own.",
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", help="EfficientNet-Lite0 weights for a projected discriminator.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="A .toml file instead of the packaged recipe.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out, with its own recipe.")] = False,
    init: Annotated[Path | None, typer.Option("--init", help="Start from exported weights.")] = None,
    flow: Annotated[
        str | None,
        typer.Option(
            "--flow",
            help="Frozen flow of a prior, flowmap-lora or degflow-decoder, or teacher of flowsr: name or file.",
        ),
    ] = None,
    trunk: Annotated[Path | None, typer.Option("--trunk", help="SqueezeNet 1.1 weights for a perceptual loss.")] = None,
    autoencoder: Annotated[
        Path | None, typer.Option("--autoencoder", help="Autoencoder of degflow: to train its flow, or of a generator.")
    ] = None,
    degradation: Annotated[
        str | None,
        typer.Option(
            "--degradation",
            help="degflow: low-resolution pictures by a generator; levels: by the camera that it learns from (linf, "
            "flowsr, flowmap).",
            show_default="the recipe's",
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            "--levels", help="Scales of --degradation levels: a few, 2,4, or a range, 1.1-4.", show_default="2,4"
        ),
    ] = None,
    generator: Annotated[
        Path | None,
        typer.Option("--generator", help="The generator's flow, with --autoencoder.", show_default="the model degflow"),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder of generated pictures.", show_default="generated in --out")
    ] = None,
    versions: Annotated[int, typer.Option("--versions", min=1, help="Generated pictures of each photo.")] = 4,
    grain: Annotated[
        float,
        typer.Option(
            "--grain", min=0, help="Noise drawn over generated pictures, up to so many 8-bit steps, and JPEG with it."
        ),
    ] = 0.0,
    solver: Annotated[
        str | None,
        typer.Option("--solver", help="Of the generator: rk4 or dopri5 (adaptive, slower).", show_default="rk4"),
    ] = None,
    solver_steps: Annotated[
        int | None,
        typer.Option(
            "--solver-steps", min=1, max=1000, help="Of rk4, from the photo to scale 4.", show_default=str(SOLVER_STEPS)
        ),
    ] = None,
    val: Annotated[Path | None, typer.Option("--val", help="Folder of photos or of pairs to score on.")] = None,
    show: Annotated[
        Path | None,
        typer.Option(
            "--show",
            help="Folder of pictures: every 500 steps, six of them are enlarged 4 times, next to bicubic, into "
            "strip-*.png in --out.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="File names to leave out, e.g. 'bsds_*'.")
    ] = None,
    hold_out: Annotated[
        int, typer.Option("--hold-out", min=0, help="Photos kept for evaluation; held_out.txt in --out names them.")
    ] = 0,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Instead of the recipe's.")] = None,
    max_minutes: Annotated[
        float, typer.Option("--max-minutes", min=0, help="Stop and save.", show_default="no limit")
    ] = math.inf,
    save_minutes: Annotated[float, typer.Option("--save-minutes", min=0, help="Minutes between saved states.")] = 5.0,
    validate_every: Annotated[int, typer.Option("--validate-every", min=1, help="Steps between scores.")] = 2000,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, xpu, mps.")] = "auto",
    batches: Annotated[
        str,
        typer.Option(
            "--batches",
            help="Where crops are cut and degraded: cpu, or device, by tensor code on --device, where the photos then "
            "are. auto: device on CUDA, if the recipe's data can.",
        ),
    ] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.", show_default="all")] = None,
    formulation: Annotated[
        str | None,
        typer.Option(
            "--formulation", help="Instead of the recipe's: shortcut, lagrangian or eulerian.", rich_help_panel=MAPS
        ),
    ] = None,
    ablation: Annotated[
        bool,
        typer.Option(
            "--ablation",
            help="Train flowmap by each formulation, guided and not; needs a warm start (--init), photos to score "
            "(--val) and --trunk. As many steps of each as fit into 40 minutes (--max-minutes) in all, at most 400 "
            "(--steps). Curves, scores, a table and a plot go to --out; the same command goes on after a stop.",
            rich_help_panel=MAPS,
        ),
    ] = False,
    lpips_weights: Annotated[
        Path | None,
        typer.Option("--lpips-weights", help="LPIPS-Squeeze v0.1, to score the ablation.", rich_help_panel=MAPS),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Stops at the last step, at --max-minutes or at Ctrl-C, and saves the state."""
    output = Output()
    with errors(debug):
        name = str(context.info_name)
        train_options.check(context, name)
        from srcli import files, runtime
        from srcli.cli.shared.training.degraded import Generation, lowered
        from srcli.training import recipe as recipes
        from srcli.training.loop import Trainer
        from srcli.training.monitor.validation import validation_of
        from srcli.training.tasks import make_task

        if ablation:
            train_ablation.check(context)
        elif lpips_weights is not None:
            raise recipes.RecipeError("--lpips-weights goes with --ablation")
        if resume:
            if any(v is not None for v in (recipe, init, seed, formulation, degradation, levels)):
                raise recipes.RecipeError(
                    "--resume goes on as the run began; leave out --recipe, --init, --seed, --formulation, "
                    "--degradation and --levels"
                )
            chosen = _resumed(out, name, steps)
        else:
            chosen = recipes.load(str(recipe or (train_ablation.RECIPE if ablation else name)), steps=steps, seed=seed)
            chosen = recipes.degraded_by(recipes.formulated_by(chosen, formulation), degradation, levels)
        runtime.set_threads(threads)
        runtime.reuse_heap()
        where = runtime.find_device(device)
        found = train_data.find(chosen, data, pairs, tuple(exclude or ()), hold_out, teacher, shown=show is not None)
        if ablation:
            train_ablation.run(chosen, init, found, val, out, trunk, lpips_weights, steps, max_minutes, str(where))
            return
        generation = Generation(
            autoencoder=autoencoder,
            flow=generator,
            cache=cache,
            versions=versions,
            grain=grain,
            solver=solver,
            steps=solver_steps,
        )
        generation.check(chosen)
        task = make_task(chosen, flow, trunk, autoencoder, features)
        validate = validation_of(chosen, task, val) if val else None
        strips = train_data.strips(task, show, out, teacher)
        trainer = Trainer(chosen, task, found, out, str(where))
        if not resume and trainer.exists():
            raise recipes.RecipeError(f"{out} holds a run already; --resume continues it")
        if not resume:
            trainer.start(init)
        trainer.photos = lowered(chosen, found, generation, out, device, output)
        trainer.on_device = train_data.on_device(batches, where.type, chosen, trainer.photos, output)
        if resume:
            trainer.resume()
        count = sum(p.numel() for p in task.network.parameters())
        learned = f"{len(found)} {train_data.noun(found)}"
        output.say(f"{chosen.name}: {count / 1e6:.2f} M parameters, {learned}, from step {trainer.step}")
        if held := train_data.held(found):
            files.make_folder(out)
            (out / "held_out.txt").write_text("".join(f"{p.name}\n" for p in held))
        _run(trainer, max_minutes, save_minutes, validate_every, validate, strips)
        output.say(f"step {trainer.step} of {chosen.optim.steps}; state in {out}")


def _resumed(out: Path, name: str, steps: int | None) -> "Recipe":
    """The recipe of a run: what was decided at its start stays so; more steps may be asked for."""
    from srcli.training import recipe as recipes
    from srcli.training.loop import recipe_of

    chosen = recipes.adjusted(recipe_of(out), steps, None)
    # Other names are those of files, of which only the task tells whether they fit.
    other = chosen.name != name and chosen.name in packaged()
    if other or chosen.task != recipes.load(name).task:
        raise recipes.RecipeError(f"{out} is a run of {chosen.name}, not of {name}")
    return chosen


for _name, _recipe in packaged().items():
    _command = train_options.command_of(run, _name)
    app.command(_name, help=_recipe.about.does, epilog=train_options.examples(_name))(_command)


def _run(trainer: "Trainer", max_minutes: float, save_minutes: float, validate_every: int, validate, show) -> None:
    """The run with a progress bar that shows the losses; every 100 steps as a line where nobody looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    start, first = time.monotonic(), trainer.step
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty(), console=Output().err) as bar:
        task = bar.add_task("", total=trainer.recipe.optim.steps, completed=first)

        def progress(step: int, values: dict[str, float]) -> None:
            text = "  ".join(f"{k} {v:.4f}" for k, v in values.items() if not math.isnan(v))
            bar.update(task, completed=step, description=text)
            if not sys.stderr.isatty() and step % 100 == 0:
                pace = (time.monotonic() - start) / (step - first)
                print(f"step {step}  {text}  {pace:.3f} s a step", flush=True)

        trainer.run(
            max_minutes=max_minutes,
            save_minutes=save_minutes,
            validate_every=validate_every,
            validate=validate,
            show=show,
            progress=progress,
        )


@app.command("list")
def _list() -> None:
    """List the recipes, and which made the embedded weights."""
    listing.show()


app.command("pairs")(train_pairs.pairs)
app.command("export")(train_export.export)
app.command("average")(train_export.average)
app.command("plot")(train_export.plot)
app.command("sheet", epilog=train_sheet.EXAMPLES)(train_sheet.sheet)
