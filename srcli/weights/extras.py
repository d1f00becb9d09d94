"""Optional packages that some models and commands need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.weights.entries import Entry

PACKAGES = {"sd": "diffusers", "web": "gradio", "serve": "prometheus_client"}  # extra: a package of it


class ExtraMissing(SrcliError):
    """A package that a model or command needs is not installed."""

    reason = "missing-package"
    exit_code = 4

    def __init__(self, extra: str, name: str = "this model") -> None:
        super().__init__(f"{name} needs {PACKAGES[extra]}; run: pip install 'srcli[{extra}]'")


def need(extra: str, name: str) -> None:
    """Raise ExtraMissing if an extra is not installed. name: of what needs it."""
    if find_spec(PACKAGES[extra]) is None:
        raise ExtraMissing(extra, name)


def check(entry: Entry) -> None:
    """Raise ExtraMissing if a package that the model needs is not installed."""
    if entry.needs in PACKAGES:
        need(entry.needs, entry.name)
