"""What a recipe trains: the networks, the losses of a step, and a score on a validation folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from srcli.training.data import Batch
from srcli.training.recipe import Recipe, RecipeError


class Task(Protocol):
    """`networks["network"]` is exported; the others only help to train it."""

    networks: dict[str, nn.Module]

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """The losses of one step as (network to update, loss, values to log). The loop updates that network
        before it asks for the next loss."""

    def pipeline(self, network: nn.Module):
        """The inference model around `network`, for validation."""


def make_task(recipe: Recipe, flow: str | None = None, trunk: Path | None = None) -> Task:
    """The task that a recipe names. For priors: `flow`, the frozen flow (a model name or exported weights), and
    `trunk`, the weights of the perceptual loss. Initial weights depend on the recipe's seed alone."""
    torch.manual_seed(recipe.seed)
    from srcli.training.task_linf import LinfTask

    if recipe.task == "linf":
        return LinfTask(recipe)
    if recipe.task == "prior":
        from srcli.training.task_prior import PriorTask

        return PriorTask(recipe, flow, trunk)
    raise RecipeError(f"recipe {recipe.name}: unknown task {recipe.task!r}")
