"""The architectures of spandrel, with or without a torchvision that works.

spandrel asks for torchvision for two of its architectures alone, which paint out objects (LaMa) and restore faces
(RestoreFormer); yet it imports them all at once. Where torchvision cannot be imported, because it is missing or was
built for another PyTorch, the others are imported one by one, in spandrel's own order.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

from srcli.errors import SrcliError

PACKAGE = "spandrel"


class LibraryError(SrcliError):
    """spandrel is not installed, or cannot be used."""

    reason = "missing-package"
    exit_code = 4


def installed() -> bool:
    """Whether spandrel is there."""
    return PACKAGE in sys.modules or find_spec(PACKAGE) is not None


def detect(state: Mapping[str, Any]) -> str | None:
    """The id of the architecture of a state dict. Raises LibraryError."""
    return next((identity for identity, each in architectures().items() if _fitting(each, state)), None)


def load(identity: str, state: Mapping[str, Any]) -> Any:
    """The network of an architecture, with what spandrel says of it. Raises LibraryError, or any error of spandrel."""
    found = architectures().get(identity)
    if found is None:
        raise LibraryError(
            f"spandrel has no architecture {identity[:40]!r} here; a newer spandrel, or a torchvision that works, may"
        )
    return found.load(_fitting(found, state) or dict(state))


def _fitting(architecture: Any, state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state dict as an architecture knows it; None if it does not. Reading a file takes off a prefix that all keys
    share, which with some architectures belongs to them."""
    for prefix in ("", "model."):
        named = {prefix + key: value for key, value in state.items()}
        try:
            if architecture.detect(named):
                return named
        except Exception:  # looks at tensors that others lack
            continue
    return None


@cache
def architectures() -> dict[str, Any]:
    """All that can be imported, by id, in the order in which they are asked. Raises LibraryError."""
    if not installed():
        raise LibraryError("the file needs spandrel; run: pip install 'srcli[spandrel]'")
    try:
        known = import_module(PACKAGE).MAIN_REGISTRY
    except (ImportError, RuntimeError, AttributeError):  # torchvision's, or what an earlier try has left
        return _one_by_one()
    return {str(each.architecture.id): each.architecture for each in known.architectures("detection")}


def _one_by_one() -> dict[str, Any]:
    folder = _folder()
    module = sys.modules.get(PACKAGE)
    if module is None:
        # The package without what its __init__ imports.
        spec = ModuleSpec(PACKAGE, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        module = sys.modules[PACKAGE] = module_from_spec(spec)
    found = {}
    for name, kind in _named(folder / "__helpers" / "main_registry.py"):
        try:
            made = getattr(import_module(f"{PACKAGE}.architectures.{name}"), kind)()
        except (ImportError, RuntimeError):
            continue
        found[str(made.id)] = made
    if not found:
        raise LibraryError("spandrel cannot be imported; srcli works with spandrel 0.4")
    return found


def _folder() -> Path:
    spec = find_spec(PACKAGE) if PACKAGE not in sys.modules else sys.modules[PACKAGE].__spec__
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise LibraryError("spandrel cannot be found; run: pip install 'srcli[spandrel]'")
    return Path(next(iter(places)))


def _named(file: Path) -> Iterator[tuple[str, str]]:
    """Modules and classes that spandrel's registry adds, in its order."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise LibraryError(f"spandrel cannot be imported ({error}); srcli works with spandrel 0.4") from None
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "ArchSupport.from_architecture":
            made = call.args[0]
            if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute):
                yield ast.unparse(made.func.value), made.func.attr
