"""Packages that some models run with, and that are only installed where they are asked for."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.weights.manifest import Entry

PACKAGES = {"sd": "diffusers"}  # by the extra that installs them


class ExtraMissing(SrcliError):
    """A package that a model runs with is not installed."""

    exit_code = 4

    def __init__(self, extra: str, name: str = "this model") -> None:
        super().__init__(f"{name} needs {PACKAGES[extra]}; run: pip install 'srcli[{extra}]'")


def check(entry: Entry) -> None:
    """Raises ExtraMissing, before anything is downloaded."""
    if entry.needs in PACKAGES and find_spec(PACKAGES[entry.needs]) is None:
        raise ExtraMissing(entry.needs, entry.name)
