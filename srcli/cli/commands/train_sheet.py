"""`srcli train sheet`: what a recipe learns from, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from srcli.cli.shared.console import Output, errors

EXAMPLES = """Examples:

  srcli train sheet flowsr --data photos/ --out sheet.png

  srcli train sheet own.toml --data photos/ --out sheet.png --count 48 --seed 2

  srcli train sheet restorer --pairs lessons/ --out lessons.png

  srcli train sheet --data photos/ --out everyday.png"""
SIDE = 144  # pixels of the sharp pictures where no recipe says


def sheet(
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="The .png file to write; an existing one is replaced.", show_default=False),
    ],
    data: Annotated[Path | None, typer.Option("--data", help="Folder of sharp photos.", show_default=False)] = None,
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]", help="A recipe or a .toml file.", show_default="the everyday mix, without a recipe"
        ),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="Lessons, or real levels, instead of photos.", show_default=False)
    ] = None,
    teacher: Annotated[
        str | None, typer.Option("--teacher", help="With --data, for recipes that learn from a model.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Pairs.")] = 24,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Instead of the recipe's.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="File names to leave out, e.g. 'bsds_*'.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Draw a contact sheet of a recipe's first batches: sharp, what the network gets, and what happened to it.

    Without a recipe it shows the everyday mix: photos, graphics, and parts of pictures as they are.
    """
    with errors(debug):
        from srcli import files
        from srcli.cli.shared.training import data as train_data
        from srcli.cli.shared.training.degraded import generates, with_cameras
        from srcli.training import recipe as recipes
        from srcli.training import sheet as sheets
        from srcli.training.data.everyday import Mix
        from srcli.training.data.photos import Photos

        if out.suffix.lower() != ".png":
            raise recipes.RecipeError(f"the sheet is a PNG file; {out.name} has another suffix")
        left_out = tuple(exclude or ())
        if recipe is None:
            if data is None or pairs is not None or teacher is not None:
                raise recipes.RecipeError("without a recipe the sheet shows the everyday mix of photos: --data FOLDER")
            shown = sheets.of_mix(Photos(data, left_out, SIDE), seed or 0, count, SIDE, Mix())
        else:
            chosen = recipes.load(recipe, seed=seed)
            if generates(chosen):
                raise recipes.RecipeError(f"{recipe} learns from generated pictures; look at those in its --cache")
            found = train_data.find(chosen, data, pairs, left_out, 0, teacher)
            shown = sheets.of_crops(chosen.crops, with_cameras(chosen, found), chosen.seed, count)
        files.make_folder(out.parent)
        files.write_bytes(out, sheets.png(shown))
        Output().say(f"{len(shown)} pairs in {out}")
