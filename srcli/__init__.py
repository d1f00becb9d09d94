"""Super-resolution with flow models: `Upscaler("linf-lp").upscale(image, scale=3.5)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["ItemError", "PictureWarning", "Size", "SrcliError", "Target", "Upscaled", "Upscaler", "__version__"]

if TYPE_CHECKING:
    from srcli.api.calls import ItemError, Upscaled
    from srcli.api.exchange import PictureWarning
    from srcli.errors import SrcliError
    from srcli.geometry import Size, Target
    from srcli.upscaler import Upscaler

_HOMES = {
    "ItemError": "api.calls", "PictureWarning": "api.exchange", "Size": "geometry", "SrcliError": "errors",
    "Target": "geometry", "Upscaled": "api.calls", "Upscaler": "upscaler",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # torch takes a second to import; `srcli --help` must not wait for it.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"srcli.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'srcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
