"""Frozen networks that training leans on."""

from __future__ import annotations

from pathlib import Path

from srcli.training.recipe import RecipeError
from srcli.weights import manifest, store

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


def find(name: str | None, role: str, need: str) -> Path:
    """The weights of a role: of a model in the manifest, or a file. need: what is said where nothing is named. Raises
    RecipeError."""
    if name is None:
        raise RecipeError(f"{need}: --flow NAME or --flow FILE.safetensors")
    if Path(name).suffix in SUFFIXES:
        if not Path(name).is_file():
            raise RecipeError(f"no flow at {name}")
        return Path(name)
    parts = manifest.load().find(name).parts
    if role not in parts:
        raise RecipeError(f"{name} has no {role}, but {', '.join(parts)}")
    return store.locate(parts[role])
