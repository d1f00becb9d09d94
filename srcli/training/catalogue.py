"""The packaged recipes: where they are, what they say about themselves, and which options of `srcli train` they take.

Nothing here needs torch, so that the help of the commands is quick.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from srcli.errors import SrcliError
from srcli.methods.registry import packages, tasks

STATUSES = ("shipped", "successor", "experiment")
DEGRADED = ("degradation", "levels", "generator", "cache", "versions", "grain", "solver", "solver_steps")
# What stands before the table after [about]: reading all of every recipe would slow down `srcli --help`.
HEAD = re.compile(r".*?(?=^\[(?!about\])|\Z)", re.DOTALL | re.MULTILINE)
# Options, by the names of the command's parameters, that only some recipes take.
OPTIONAL = (
    "flow",
    "trunk",
    "autoencoder",
    "pairs",
    "teacher",
    "features",
    *DEGRADED,
    "formulation",
    "ablation",
    "lpips_weights",
)


class RecipeError(SrcliError):
    """A recipe that does not exist or does not say what it should."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The table [about] of a recipe. It decides nothing of a run.

    does: what it trains, for the help.
    stage: its place among the recipes of its method.
    status: `shipped`, it made `weights`, with other --steps at most; `successor`, variants of it made `weights` and it
        was not run as it stands; `experiment`, it made none of them.
    weights: the name of an embedded file, empty for experiments.
    examples: arguments of `srcli train`, after the recipe's name.
    takes: options of `srcli train` that it takes because of what it says, not because of its task.
    """

    does: str = ""
    stage: int = 0
    status: str = "experiment"
    weights: str = ""
    examples: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packaged:
    """A recipe of the package."""

    name: str
    task: str
    about: About
    text: str


def about(name: str, table: Mapping[str, Any]) -> About:
    """What a recipe's table says about itself. Raises RecipeError."""
    said = dict(table.get("about", {}))
    if extra := set(said) - {f.name for f in fields(About)}:
        raise RecipeError(f"recipe {name}: [about] has no {', '.join(sorted(extra))}")
    lists: dict[str, Any] = {key: tuple(value) for key, value in said.items() if isinstance(value, list)}
    found = About(**said | lists)
    if found.status not in STATUSES:
        raise RecipeError(f"recipe {name}: status is {', '.join(STATUSES)}, not {found.status!r}")
    if bool(found.weights) == (found.status == "experiment"):
        raise RecipeError(f"recipe {name}: shipped recipes and successors name their weights, experiments have none")
    return found


def packaged() -> dict[str, Packaged]:
    """The recipes by name: method by method, stage by stage."""
    return _packaged(tuple(packages()))


@cache
def _packaged(places: tuple[str, ...]) -> dict[str, Packaged]:
    found: dict[str, Packaged] = {}
    for package in places:
        folder = resources.files(package) / "recipes"
        if not folder.is_dir():
            continue
        here = []
        for file in folder.iterdir():
            if file.name.endswith(".toml"):
                name, text = file.name.removesuffix(".toml"), file.read_text("utf-8")
                head = tomllib.loads(HEAD.match(text)[0])  # type: ignore[index]  # it may be empty
                here.append(Packaged(name, head.get("task", ""), about(name, head), text))
        found |= {recipe.name: recipe for recipe in sorted(here, key=lambda recipe: recipe.about.stage)}
    return found


def needs_flow(task: str, table: Mapping[str, Any]) -> bool:
    """Whether a task needs a frozen flow, from the tables of its recipe: that it belongs to, that it is taught by, or
    beside which it is finished."""
    when = tasks()[task][1].flow
    section, _, key = when.partition(".")
    return when == "always" or bool(key and table.get(section, {}).get(key))


def takes(name: str, option: str) -> bool:
    """Whether a packaged recipe takes an option, by the name of the command's parameter."""
    if option not in OPTIONAL:
        return True
    recipe = packaged()[name]
    task = tasks()[recipe.task][1]
    by_task = {
        "trunk": task.trunk,
        "autoencoder": task.autoencoder or task.learns_degraded,
        "pairs": task.levels or task.taught,
        "teacher": task.taught,
        "features": task.taught,
        **dict.fromkeys(DEGRADED, task.learns_degraded),
    }
    return option in recipe.about.takes or by_task.get(option, False)


def takers(option: str) -> list[str]:
    """The recipes that take an option."""
    return [name for name in packaged() if takes(name, option)]
