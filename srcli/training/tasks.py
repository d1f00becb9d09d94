"""What a recipe trains: the networks, the losses of a step, and the model around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from srcli.methods.registry import build, tasks
from srcli.training.data.photos import Batch
from srcli.training.recipe import Recipe, RecipeError


class Task(Protocol):
    """`networks["network"]` is exported; the others only help to train it. `origin`: what the weights depend on beyond
    the recipe and the photos, by name; a resumed run must have the same, and the export says it.

    Class attributes: `kind`, the network that it trains; `weighted` and `options`, the names that the recipe's [loss]
    and [options] may hold.
    """

    networks: dict[str, nn.Module]
    origin: dict[str, str]

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """The losses of one step as (network to update, loss, values to log). The loop updates that network
        before it asks for the next loss."""

    def pipeline(self, network: nn.Module):
        """The inference model around `network`, for validation. Tasks on levels of degradation have `made` instead,
        the levels as `network` makes them. Tasks that cannot begin with any weights have `check_start`."""


def takes_flow(recipe: Recipe) -> bool:
    """Whether a recipe's network depends on a frozen flow: that it belongs to, that it is taught by, or beside which it
    is finished."""
    when = tasks()[recipe.task][1].flow
    table, _, key = when.partition(".")
    return when == "always" or bool(key and getattr(recipe, table).get(key))


def make_task(
    recipe: Recipe, flow: str | None = None, trunk: Path | None = None, autoencoder: Path | None = None
) -> Task:
    """The task that a recipe names. flow: the frozen flow that a prior or a low-rank change belongs to, or that a
    consistency flow is taught by (a model name or exported weights). trunk: the weights of the perceptual loss.
    autoencoder: the frozen one in whose latents a flow of DegFlow works. Initial weights depend on the recipe's seed
    alone."""
    torch.manual_seed(recipe.seed)
    from srcli.methods.degflow.autoencoder_training import DegflowAETask
    from srcli.methods.degflow.training import DegflowTask
    from srcli.methods.flowmap.lora_training import FlowmapLoraTask
    from srcli.methods.flowmap.training import FlowmapTask
    from srcli.methods.flowsr.training import FlowsrTask
    from srcli.methods.linf.prior_training import PriorTask
    from srcli.methods.linf.training import LinfTask
    from srcli.methods.srflow.prior_training import SRFlowPriorTask
    from srcli.methods.srflow.training import SRFlowTask

    taught: dict[str, Any] = {
        "prior": PriorTask, "srflow-prior": SRFlowPriorTask, "flowsr": FlowsrTask, "flowmap": FlowmapTask,
        "flowmap-lora": FlowmapLoraTask,
    }  # fmt: skip
    plain: dict[str, Any] = {"linf": LinfTask, "srflow": SRFlowTask, "degflow-ae": DegflowAETask}
    kinds: dict[str, Any] = plain | taught | {"degflow": DegflowTask}
    if recipe.task not in kinds:
        raise RecipeError(f"recipe {recipe.name}: unknown task {recipe.task!r}")
    kind = kinds[recipe.task]
    unknown = (set(recipe.loss) - kind.weighted) | (set(recipe.options) - kind.options)
    if unknown:
        raise RecipeError(f"recipe {recipe.name}: the task {recipe.task} has no {', '.join(sorted(unknown))}")
    try:
        network = build(recipe.architecture)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"recipe {recipe.name}: {error}") from error
    if not isinstance(network, kind.kind):
        raise RecipeError(f"recipe {recipe.name}: {recipe.task} does not train {recipe.architecture['kind']!r}")
    if flow is not None and not takes_flow(recipe):
        raise RecipeError(f"recipe {recipe.name} has no use for a frozen flow; leave out --flow")
    if recipe.task == "degflow-ae":
        return kind(recipe, network, flow=flow)
    if recipe.task == "degflow":
        return kind(recipe, network, autoencoder=autoencoder, trunk=trunk)
    return kind(recipe, network, flow=flow, trunk=trunk) if recipe.task in taught else kind(recipe, network)
