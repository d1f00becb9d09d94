"""The task that a recipe names."""

from __future__ import annotations

from pathlib import Path

import torch

from srcli.methods.method import resolve
from srcli.methods.registry import build, tasks
from srcli.training.catalogue import needs_flow
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Task


def takes_flow(recipe: Recipe) -> bool:
    """Whether a recipe's network depends on a frozen flow: that it belongs to, that it is taught by, or beside which it
    is finished."""
    return needs_flow(recipe.task, {"loss": recipe.loss, "options": recipe.options})


def make_task(
    recipe: Recipe,
    flow: str | None = None,
    trunk: Path | None = None,
    autoencoder: Path | None = None,
    features: Path | None = None,
) -> Task:
    """The task that a recipe names. flow: the frozen flow that a prior or a LoRA belongs to, or that a
    consistency flow is taught by (a model name or exported weights). trunk: the weights of the perceptual loss.
    autoencoder: the frozen one in whose latents a flow of DegFlow works. features: the weights of a projected
    discriminator's trunk. Initial weights depend on the recipe's seed
    alone."""
    torch.manual_seed(recipe.seed)
    if recipe.task not in tasks():
        raise RecipeError(f"recipe {recipe.name}: unknown task {recipe.task!r}")
    kind: type[Task] = resolve(tasks()[recipe.task][1].code)
    unknown = (set(recipe.loss) - kind.weighted) | (set(recipe.options) - kind.options)
    if unknown:
        raise RecipeError(f"recipe {recipe.name}: the task {recipe.task} has no {', '.join(sorted(unknown))}")
    others = {name for name, weight in recipe.loss.items() if weight} - kind.on_picture
    if recipe.balanced and others:
        raise RecipeError(
            f"recipe {recipe.name}: balanced needs losses of one picture, which {', '.join(sorted(others))} "
            f"{'is' if len(others) == 1 else 'are'} not"
        )
    try:
        network = build(recipe.architecture)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"recipe {recipe.name}: {error}") from error
    if not isinstance(network, kind.kind):
        raise RecipeError(f"recipe {recipe.name}: {recipe.task} does not train {recipe.architecture['kind']!r}")
    if flow is not None and not takes_flow(recipe):
        raise RecipeError(f"recipe {recipe.name} has no use for a frozen flow; leave out --flow")
    return kind(recipe, network, FrozenParts(flow=flow, trunk=trunk, autoencoder=autoencoder, features=features))
