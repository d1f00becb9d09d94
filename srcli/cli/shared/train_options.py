"""Which options of `srcli train` a recipe takes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from srcli.errors import SrcliError

MAPS = ("flowmap", "flowmap-guided", "flowmap-lora")  # with jumps
DEGRADED = ("linf-base", "linf", "flowsr-base", "flowsr", "flowmap-base", *MAPS)  # learn from other degradations
LEVELS = ("degflow-ae", "degflow", "degflow-decoder")
# By option; what isn't here is for every recipe. Kept here so that help needs no torch.
TAKEN_BY: dict[str, tuple[str, ...]] = {
    "flow": ("prior", "srflow-prior", "flowsr", "flowmap-lora", "degflow-decoder"),
    "trunk": ("prior", "srflow-prior", "flowsr-base", "flowsr", "flowmap-base", *MAPS, "degflow"),
    "autoencoder": (*DEGRADED, "degflow"),
    "pairs": LEVELS,
    **dict.fromkeys(
        ("degradation", "levels", "generator", "cache", "versions", "grain", "solver", "solver_steps"), DEGRADED
    ),
    "formulation": MAPS,
    "ablation": ("flowmap",),
    "lpips_weights": ("flowmap",),
}


class OptionError(SrcliError):
    """An option that a recipe cannot use."""

    exit_code = 2


def takes(recipe: str, option: str) -> bool:
    """Whether an option, by its parameter's name, is for a recipe."""
    return option not in TAKEN_BY or recipe in TAKEN_BY[option]


def check(context: typer.Context, recipe: str) -> None:
    """Raise OptionError for options on the command line that are for other recipes."""
    for option, recipes in TAKEN_BY.items():
        source = context.get_parameter_source(option)
        if source is not None and source.name == "COMMANDLINE" and not takes(recipe, option):
            raise OptionError(f"--{option.replace('_', '-')} is for {', '.join(recipes)}; {recipe} has no use for it")


def command_of(run: Callable[..., None], recipe: str) -> Callable[..., None]:
    """`run` as the command of a recipe: its help shows the options that the recipe takes.

    The others are hidden instead of missing, so that `check` can say whose they are.
    """

    def command(**given: Any) -> None:
        run(**given)

    signature = inspect.signature(run)
    parameters = [_shown(parameter, takes(recipe, name)) for name, parameter in signature.parameters.items()]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    command.__doc__ = run.__doc__
    return command


def _shown(parameter: inspect.Parameter, shown: bool) -> inspect.Parameter:
    if shown:
        return parameter
    kind, option = get_args(parameter.annotation)
    option = copy.copy(option)
    option.hidden = True
    return parameter.replace(annotation=Annotated[kind, option])
