"""The options that say how large a result is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from srcli.geometry import Target

DEFAULT_SCALE = 4.0
PANEL = "Size"

SCALE = Annotated[
    float | None,
    typer.Option("-s", "--scale", help="Any factor from 1 to 8, e.g. 3.5.", show_default="4", rich_help_panel=PANEL),
]
SIZE = Annotated[
    str | None,
    typer.Option("--size", help="3840x2160 (see --fit), 3840x (width) or x2160 (height).", rich_help_panel=PANEL),
]
FIT = Annotated[
    str | None,
    typer.Option(
        "--fit",
        help="With --size WIDTHxHEIGHT: contain (keep the picture within), cover (fill, crop the middle) or stretch.",
        show_default="contain",
        rich_help_panel=PANEL,
    ),
]
LONG_SIDE = Annotated[int | None, typer.Option("--long-side", help="Pixels of the longer side.", rich_help_panel=PANEL)]
SHORT_SIDE = Annotated[
    int | None, typer.Option("--short-side", help="Pixels of the shorter side.", rich_help_panel=PANEL)
]
MEGAPIXELS = Annotated[float | None, typer.Option("--megapixels", help="Area of the result.", rich_help_panel=PANEL)]


def target_of(
    scale: float | None,
    size: str | None,
    fit: str | None,
    *,
    long_side: int | None,
    short_side: int | None,
    megapixels: float | None,
) -> Target:
    """The target that the options name. Raises TargetError."""
    from srcli.geometry import FITS, Target, TargetError

    others = (scale, long_side, short_side, megapixels)
    if sum(value is not None for value in (size, *others)) > 1:
        raise TargetError("give exactly one of --scale, --size, --long-side, --short-side and --megapixels")
    if fit is not None and fit not in FITS:
        raise TargetError(f"--fit is contain, cover or stretch, not {fit!r}")
    if size is not None:
        target = Target.parse_size(size, fit or "contain")
        if fit is None or (target.width and target.height):
            return target
    if fit is not None:
        raise TargetError("--fit only works with --size WIDTHxHEIGHT, such as --size 3840x2160")
    if size is None and others == (None,) * len(others):
        scale = DEFAULT_SCALE
    return Target(scale=scale, long_side=long_side, short_side=short_side, megapixels=megapixels)
