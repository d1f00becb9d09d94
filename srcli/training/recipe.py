"""Recipes: everything that decides a training run, as TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from srcli.methods.method import resolve
from srcli.methods.registry import tasks
from srcli.training.catalogue import RecipeError, about, packaged
from srcli.training.data.cameras import Scales
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.lessons import LessonSpec
from srcli.training.data.levels import LevelSpec
from srcli.training.data.photos import CropSpec

T = TypeVar("T")
GENERATOR, CAMERAS = "degflow", "levels"  # what makes low-resolution pictures instead of a recipe's own way
KNOWN_LEVELS = "2,4"  # those that a generator learns from


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimSpec:
    """AdamW or Muon (matrices by Muon, the rest by AdamW) with linear warm-up and cosine decay."""

    name: str = "adamw"
    lr: float = 5e-4
    matrix_lr: float = 0.02  # Muon only
    weight_decay: float = 0.0
    beta1: float = 0.9  # of AdamW
    warmup: int = 500
    steps: int = 60_000
    final: float = 0.01  # share of the peak learning rate at the last step
    ema: float = 0.999
    clip: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training run.

    loss: the weights of the task's named losses.
    balanced: these are shares of the gradient on the picture instead (`srcli.training.shares`).
    """

    name: str
    task: str
    architecture: dict[str, Any]
    crops: CropSpec | DegradedSpec | LevelSpec | LessonSpec
    optim: OptimSpec
    loss: dict[str, float]
    options: dict[str, Any]
    seed: int = 0
    balanced: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def available() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(packaged())


def load(name_or_path: str, *, steps: int | None = None, seed: int | None = None) -> Recipe:
    """A packaged recipe by name, or a TOML file by path."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise RecipeError(f"no recipe file {path}")
        text, name = path.read_text(), path.stem
    elif found := packaged().get(name_or_path):
        text, name = found.text, name_or_path
    else:
        raise RecipeError(f"no recipe named {name_or_path!r}; known: {', '.join(available())}, or a .toml file")
    try:
        recipe = parse(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    return adjusted(recipe, steps, seed)


def adjusted(recipe: Recipe, steps: int | None, seed: int | None) -> Recipe:
    """The recipe with another number of steps or another seed, where one is given."""
    optim = recipe.optim if steps is None else replace(recipe.optim, steps=steps)
    return replace(recipe, optim=optim, seed=recipe.seed if seed is None else seed)


def with_options(recipe: Recipe, **options: Any) -> Recipe:
    """The recipe with other values of its task's options."""
    return replace(recipe, options=recipe.options | options)


def formulated_by(recipe: Recipe, formulation: str | None) -> Recipe:
    """The recipe with jumps of another formulation, or its own for None."""
    if formulation is None:
        return recipe
    if not recipe.loss.get("map"):
        raise RecipeError(f"recipe {recipe.name} teaches no jumps, so it has no formulation; leave out --formulation")
    judged = {"judge_jumps": False} if formulation != "shortcut" and "judge_jumps" in recipe.options else {}
    return with_options(recipe, formulation=formulation, **judged)


def degraded_by(recipe: Recipe, degradation: str | None, levels: str | None = None) -> Recipe:
    """The recipe with low-resolution crops of another origin: `degflow` or `levels`, these at the scales that `levels`
    says; or its own for None."""
    if degradation is None and levels is None:
        return recipe
    if isinstance(recipe.crops, LevelSpec):
        raise RecipeError(f"{recipe.name} learns degradations itself; leave out --degradation")
    if isinstance(recipe.crops, LessonSpec):
        raise RecipeError(f"{recipe.name} learns from lessons of a teacher; leave out --degradation")
    if levels is not None and degradation != CAMERAS:
        raise RecipeError(f"--levels go with --degradation {CAMERAS}")
    scales = (levels or KNOWN_LEVELS) if degradation == CAMERAS else ""
    crops = replace(recipe.crops, degradation=degradation or "", camera_scales=scales)
    return _checked(replace(recipe, crops=crops))


def _checked(recipe: Recipe) -> Recipe:
    """The recipe, whose degradation is one that there is and that its task can learn from."""
    crops = recipe.crops
    if isinstance(crops, LevelSpec | LessonSpec):
        return recipe
    if crops.degradation not in ("", GENERATOR, CAMERAS):
        raise RecipeError(f"unknown degradation {crops.degradation!r}; there are {GENERATOR} and {CAMERAS}")
    able = [name for name, (_, task) in tasks().items() if task.learns_degraded]
    if crops.degradation and recipe.task not in able:
        raise RecipeError(
            f"{recipe.name} cannot learn from other degradations than its own; these can: {', '.join(able)}"
        )
    if crops.degradation == CAMERAS:
        Scales.parse(crops.camera_scales)
    return recipe


def parse(name: str, table: Mapping[str, Any]) -> Recipe:
    known = {"about", "task", "seed", "balanced", "architecture", "crops", "optim", "loss", "options"}
    if extra := set(table) - known:
        raise RecipeError(f"recipe {name}: unknown {', '.join(sorted(extra))}")
    if missing := {"task", "architecture", "loss"} - set(table):
        raise RecipeError(f"recipe {name}: {', '.join(sorted(missing))} is missing")
    about(name, table)
    if not isinstance(balanced := table.get("balanced", False), bool):
        raise RecipeError(f"recipe {name}: balanced is true or false, not {balanced!r}")
    recipe = Recipe(
        name=name,
        task=table["task"],
        architecture=dict(table["architecture"]),
        crops=_record(_crops(name, table["task"]), name, table.get("crops", {})),
        optim=_record(OptimSpec, name, table.get("optim", {})),
        loss={k: float(v) for k, v in table["loss"].items()},
        options=dict(table.get("options", {})),
        seed=int(table.get("seed", 0)),
        balanced=balanced,
    )
    return _checked(recipe)


def _crops(recipe: str, task: str) -> type[CropSpec | DegradedSpec | LevelSpec | LessonSpec]:
    """How the batches of a task are cut."""
    if task not in tasks():
        raise RecipeError(f"recipe {recipe}: unknown task {task!r}")
    return resolve(tasks()[task][1].crops)


def _record(kind: type[T], recipe: str, table: Mapping[str, Any]) -> T:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if extra := set(table) - names:
        raise RecipeError(f"recipe {recipe}: {kind.__name__} has no {', '.join(sorted(extra))}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})
