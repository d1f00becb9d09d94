"""`srcli train list`: the packaged recipes."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from srcli.cli.shared.console import Output, errors


def show(recipes: Mapping[str, str]) -> None:
    """A table of recipes: name, status, the embedded weights it has to do with, and what it trains.

    recipes: the help of each by name.
    """
    with errors():
        from srcli.training import recipe

        table = Table("recipe", "status", "weights", "what it does", box=None, pad_edge=False)
        for name, does in recipes.items():
            standing = recipe.standing(name)
            table.add_row(name, standing.status, standing.weights, does)
        output = Output()
        output.table(table)
        output.say(
            "\nshipped: made these embedded weights, with other --steps at most; successor: came of variants that made "
            "them, was not run as it stands; experiment: made no embedded weights"
        )
