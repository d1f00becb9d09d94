"""`srcli train list`: the packaged recipes."""

from __future__ import annotations

from rich.table import Table

from srcli.cli.shared.console import Output, errors
from srcli.training.catalogue import packaged


def show() -> None:
    """A table of recipes: name, status, the embedded weights it has to do with, and what it trains."""
    with errors():
        table = Table("recipe", "status", "weights", "what it does", box=None, pad_edge=False)
        for name, recipe in packaged().items():
            table.add_row(name, recipe.about.status, recipe.about.weights, recipe.about.does)
        output = Output()
        output.table(table)
        output.say(
            "\nshipped: made these embedded weights, with other --steps at most; successor: variants of it made "
            "them, and it was not run as it stands; experiment: made no embedded weights"
        )
