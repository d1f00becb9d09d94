"""Which options of `srcli train` a recipe takes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from srcli.errors import SrcliError
from srcli.training import catalogue
from srcli.training.catalogue import OPTIONAL, takes


class OptionError(SrcliError):
    """An option that a recipe cannot use."""

    exit_code = 2


def check(context: typer.Context, recipe: str) -> None:
    """Raise OptionError for options on the command line that are for other recipes."""
    for option in OPTIONAL:
        source = context.get_parameter_source(option)
        if source is not None and source.name == "COMMANDLINE" and not takes(recipe, option):
            takers = ", ".join(catalogue.takers(option))
            raise OptionError(f"--{option.replace('_', '-')} is for {takers}; {recipe} has no use for it")


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


def examples(recipe: str) -> str:
    """The examples of a recipe's help; an empty line between two keeps them apart."""
    lines = (f"  srcli train {recipe} {example}" for example in catalogue.packaged()[recipe].about.examples)
    return "\n\n".join(["Examples:", *lines])
