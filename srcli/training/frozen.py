"""Frozen networks that training leans on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from srcli.metrics.trunks import load_trunk, read_weights
from srcli.networks.trunks import Trunk
from srcli.training.recipe import RecipeError
from srcli.weights import manifest, store

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenParts:
    """The frozen networks of a run, as the command line names them.

    flow: the flow that a prior or a LoRA belongs to, or the teacher of a consistency flow; a model's name or a file.
    trunk: SqueezeNet 1.1 weights for perceptual losses.
    autoencoder: the one in whose latents a flow of DegFlow works.
    """

    flow: str | None = None
    trunk: Path | None = None
    autoencoder: Path | None = None

    def find_flow(self, role: str, need: str) -> Path:
        """The weights of a role, in a model of the manifest or a file.

        need: why the task needs them, for the error.
        Raises RecipeError where nothing is named or the role is not there.
        """
        name = self.flow
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

    def load_trunk(self) -> Trunk:
        """The trunk of the perceptual loss. Raises RecipeError where none is named."""
        if self.trunk is None:
            raise RecipeError("the perceptual loss needs SqueezeNet 1.1 weights: --trunk FILE.safetensors")
        return load_trunk("squeeze", read_weights(self.trunk), str(self.trunk))
