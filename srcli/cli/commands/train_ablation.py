"""`srcli train flowmap --ablation`: every formulation, guided and not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from srcli.training.data.photos import Source
    from srcli.training.recipe import Recipe

RECIPE, STEPS, MINUTES, CROPS = "flowmap-guided", 400, 40.0, 16
IDLE = (
    "autoencoder", "degradation", "generator", "cache", "versions", "validate_every", "show", "levels", "grain",
    "solver", "solver_steps", "batches", "save_minutes",
)  # fmt: skip


def check(context: typer.Context) -> None:
    """Raise RecipeError for options that an ablation does not go with."""
    from srcli.training.recipe import RecipeError

    def given(name: str) -> bool:
        source = context.get_parameter_source(name)
        return source is not None and source.name == "COMMANDLINE"

    if given("resume") or given("formulation"):
        raise RecipeError("--ablation goes without --resume and --formulation")
    if idle := [f"--{n.replace('_', '-')}" for n in IDLE if given(n)]:
        raise RecipeError(f"{' and '.join(idle)} would have no effect on --ablation; leave it out")


def run(
    chosen: Recipe, init: Path | None, photos: Source, val: Path | None, out: Path, trunk: Path | None,
    lpips_weights: Path | None, steps: int | None, minutes: float, device: str,
) -> None:  # fmt: skip
    """Train all arms, or go on with them. steps, minutes: of each arm and of all; None and infinity for the usual ones.
    Raises RecipeError."""
    from srcli.methods.flowmap import ablation
    from srcli.metrics.lpips import LPIPS
    from srcli.training.data.degraded import DegradedSpec
    from srcli.training.data.photos import Photos
    from srcli.training.recipe import RecipeError, adjusted

    if init is None or val is None:
        raise RecipeError("--ablation needs a warm start, --init weights of flowmap-base, and photos to score, --val")
    if not isinstance(chosen.crops, DegradedSpec) or not isinstance(photos, Photos):
        raise RecipeError(f"recipe {chosen.name} has no degraded crops of photos")
    lpips = None if lpips_weights is None else LPIPS.load(lpips_weights)
    crops, output = ablation.Crops(val, chosen.crops, CROPS, lpips), Output()
    chosen = adjusted(chosen, steps or STEPS, None)
    minutes = MINUTES if minutes == math.inf else minutes
    ablation.run(chosen, init, photos, crops, out, trunk=trunk, minutes=minutes, device=device, say=output.say)
    if photos.held:
        (out / "held_out.txt").write_text("".join(f"{p.name}\n" for p in photos.held))
    output.say(f"curves, scores and table in {out}")
