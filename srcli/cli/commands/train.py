"""`srcli train`: run a recipe, export its weights, plot its curves."""

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.commands import train_ablation, train_export
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.train_degraded import SOLVER_STEPS

if TYPE_CHECKING:
    from srcli.training.data.pairs import Pairs
    from srcli.training.data.photos import Photos
    from srcli.training.loop import Trainer
    from srcli.training.recipe import Recipe

app = typer.Typer(
    help="Train a model by a recipe, export its weights, plot its curves.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXAMPLES = """\
srcli train linf-base --data photos/ --out runs/base --val set5/
srcli train linf-base --data photos/ --out runs/base --resume --max-minutes 60
srcli train linf --init base.safetensors --data photos/ --out runs/linf --val set5/
srcli train srflow-base --data photos/ --out runs/base --val set5/
srcli train srflow --init base.safetensors --data photos/ --out runs/srflow --val set5/
srcli train srflow-prior --flow srflow-s --trunk squeezenet.safetensors --data photos/ --out runs/prior
srcli train flowmap-base --init flowsr-s.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/warm
srcli train flowmap-guided --init map.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/guided
srcli train prior --flow linf-s --trunk squeezenet.safetensors --data photos/ --out runs/prior
srcli train flowsr-base --trunk squeezenet.safetensors --data photos/ --hold-out 20 --out runs/base
srcli train flowsr --flow base.safetensors --trunk squeezenet.safetensors --data photos/ --hold-out 20 --out runs/fs
srcli train flowmap --init warm.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/map
srcli train flowmap-lora --flow guided.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/lora
srcli train degflow-ae --data photos/ --hold-out 20 --out runs/ae
srcli train degflow --pairs RealSR/ --autoencoder ae.safetensors --out runs/degflow
srcli train degflow-decoder --init ae.safetensors --flow degflow.safetensors --data photos/ --out runs/decoder
srcli train flowsr-base --degradation degflow --data photos/ --trunk squeezenet.safetensors --out runs/generated
srcli train flowsr-base --degradation levels --levels 2,4 --data photos/ --trunk squeezenet.safetensors --out runs/two
srcli train linf --recipe wider.toml --data photos/ --out runs/wider"""

MAPS = "Flow maps"
# The packaged recipes, by name; each is a command. Kept here so that help needs no torch.
RECIPES = {
    "linf-base": "Train the encoder and the upsampling of a flow: the first stage.",
    "linf": "Train the flow: likelihood, pixel loss and penalty on the patch grid.",
    "prior": "Train the learned prior of a frozen flow.",
    "srflow-base": "Train the RRDB and the upsampling of a SRFlow: the first stage.",
    "srflow": "Train a SRFlow (x4): likelihood with dequantisation noise.",
    "srflow-prior": "Train the learned prior of a frozen SRFlow.",
    "flowsr-base": "Train a flow from degraded photos to sharp ones: the first stage.",
    "flowsr": "Train that flow on, to be consistent and sharp in one step.",
    "flowmap-base": "Train the velocity of a flow map, from flowsr: the first stage.",
    "flowmap": "Train it on to jump any part of the way: self-distillation.",
    "flowmap-guided": "Train it on to learn the guided flow.",
    "flowmap-lora": "Train a low-rank change of a frozen flow map: the dial of --detail.",
    "degflow-ae": "Train the autoencoder of a path of degradation: the first stage.",
    "degflow": "Train the flow along that path, between levels of degradation.",
    "degflow-decoder": "Train the autoencoder's decoder on beside the finished flow.",
}


# No `from __future__ import annotations` here: typer would evaluate the strings of `run` four times for each recipe,
# a quarter of the time of `srcli --help`.
def run(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.", show_default=False)],
    data: Annotated[Path | None, typer.Option("--data", help="Folder of sharp photos.", show_default=False)] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs", help="Instead of --data: real levels in the layout of RealSR (degflow).", show_default=False
        ),
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
    validate_every: Annotated[int, typer.Option("--validate-every", min=1, help="Steps between scores.")] = 2000,
    device: Annotated[str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.")] = "auto",
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
        from srcli import files, runtime
        from srcli.cli.shared.train_degraded import Generation, lowered
        from srcli.training import recipe as recipes
        from srcli.training.loop import Trainer
        from srcli.training.tasks import make_task
        from srcli.training.validation import validation_of

        name = str(context.info_name)
        if ablation:
            train_ablation.check(context)
        elif lpips_weights is not None:
            raise recipes.RecipeError("--lpips-weights is for --ablation")
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
        found = _photos(chosen, data, pairs, tuple(exclude or ()), hold_out)
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
        task = make_task(chosen, flow, trunk, autoencoder)
        validation = validation_of(chosen, val) if val else None
        trainer = Trainer(chosen, task, found, out, str(where))
        if not resume and trainer.exists():
            raise recipes.RecipeError(f"{out} holds a run already; --resume continues it")
        if not resume:
            trainer.start(init)
        trainer.photos = lowered(chosen, found, generation, out, device, output)
        if resume:
            trainer.resume()
        count = sum(p.numel() for p in task.networks["network"].parameters())
        output.say(f"{chosen.name}: {count / 1e6:.2f} M parameters, {len(found)} photos, from step {trainer.step}")
        if found.held:
            files.make_folder(out)
            (out / "held_out.txt").write_text("".join(f"{p.name}\n" for p in found.held))
        _run(trainer, max_minutes, validate_every, None if validation is None else lambda n: validation(task, n))
        output.say(f"step {trainer.step} of {chosen.optim.steps}; state in {out}")


def _resumed(out: Path, name: str, steps: int | None) -> "Recipe":
    """The recipe of a run: what was decided at its start stays so; more steps may be asked for."""
    from srcli.training import recipe as recipes
    from srcli.training.loop import recipe_of

    chosen = recipes.adjusted(recipe_of(out), steps, None)
    # Other names are those of files, of which only the task tells whether they fit.
    other = chosen.name != name and chosen.name in RECIPES
    if other or chosen.task != recipes.load(name).task:
        raise recipes.RecipeError(f"{out} is a run of {chosen.name}, not of {name}")
    return chosen


def _photos(
    chosen: "Recipe", data: Path | None, pairs: Path | None, exclude: tuple[str, ...], hold_out: int
) -> "Photos | Pairs":
    """What a recipe is trained on."""
    from srcli.training.data.levels import LevelSpec
    from srcli.training.data.pairs import Pairs
    from srcli.training.data.photos import Photos
    from srcli.training.recipe import RecipeError

    if (data is None) == (pairs is None):
        raise RecipeError("give either photos, --data FOLDER, or pairs of real levels, --pairs FOLDER")
    if data is not None:
        return Photos(data, exclude, chosen.crops.shortest, hold_out)
    assert pairs is not None, "one of both is given"
    if not isinstance(chosen.crops, LevelSpec):
        raise RecipeError(f"{chosen.name} learns from photos alone: --data FOLDER; pairs are for degflow")
    if exclude or hold_out:
        raise RecipeError("--exclude and --hold-out choose among photos; pairs have a Test folder")
    return Pairs(pairs, chosen.crops.levels, chosen.crops.shortest)


def _examples(name: str) -> str:
    """Those of a recipe; an empty line between two makes help keep them apart."""
    own = (line for line in EXAMPLES.splitlines() if line.startswith(f"srcli train {name} "))
    return "\n\n".join(["Examples:", *(f"  {line}" for line in own)])


for _name, _help in RECIPES.items():
    app.command(_name, help=_help, epilog=_examples(_name))(run)


def _run(trainer: "Trainer", max_minutes: float, validate_every: int, validate) -> None:
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

        trainer.run(max_minutes=max_minutes, validate_every=validate_every, validate=validate, progress=progress)


app.command("export")(train_export.export)
app.command("plot")(train_export.plot)
