"""Optional packages that some models need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.weights.entries import Entry

PACKAGES = {"sd": "diffusers"}  # extra: package


class ExtraMissing(SrcliError):
    """A package that a model needs is not installed."""

    reason = "missing-package"
    exit_code = 4

    def __init__(self, extra: str, name: str = "this model") -> None:
        super().__init__(f"{name} needs {PACKAGES[extra]}; run: pip install 'srcli[{extra}]'")


def check(entry: Entry) -> None:
    """Raise ExtraMissing if a package that the model needs is not installed."""
    if entry.needs in PACKAGES and find_spec(PACKAGES[entry.needs]) is None:
        raise ExtraMissing(entry.needs, entry.name)
