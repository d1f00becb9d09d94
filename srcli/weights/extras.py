"""Optional packages that some models and commands need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from srcli.errors import SrcliError

if TYPE_CHECKING:
    from srcli.weights.entries import Entry

PACKAGES = {
    "sd": ("diffusers",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "spandrel": ("spandrel",),
    "web": ("gradio",),
    "serve": ("fastapi", "uvicorn", "prometheus_client"),
}  # of each extra


class ExtraMissing(SrcliError):
    """A package that a model or a command needs is not installed."""

    reason = "missing-package"
    exit_code = 4

    def __init__(self, extra: str, name: str = "this model") -> None:
        packages = [package for package in PACKAGES[extra] if find_spec(package) is None] or PACKAGES[extra]
        super().__init__(f"{name} needs {' and '.join(packages)}; run: pip install 'srcli[{extra}]'")


def check(entry: Entry) -> None:
    """Raise ExtraMissing if a package that the model needs is not installed."""
    if entry.needs in PACKAGES:
        require(entry.needs, entry.name)


def require(extra: str, name: str) -> None:
    """Raise ExtraMissing if a package of an extra is not installed. name: of what needs it."""
    if not installed(extra):
        raise ExtraMissing(extra, name)


def installed(extra: str) -> bool:
    """Whether all packages of an extra are there."""
    return all(find_spec(package) is not None for package in PACKAGES[extra])
