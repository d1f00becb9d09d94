"""Frozen networks that training leans on."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch

from srcli.metrics.trunks import load_trunk, read_weights
from srcli.networks.efficientnet import EfficientNetLite0
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
    features: EfficientNet-Lite0 weights for projected discriminators.
    """

    flow: str | None = None
    trunk: Path | None = None
    autoencoder: Path | None = None
    features: Path | None = None

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

    def load_features(self) -> EfficientNetLite0:
        """The trunk of the projected discriminator. Raises RecipeError."""
        if self.features is None:
            raise RecipeError("the projected discriminator needs EfficientNet-Lite0 weights: --features FILE.pth")
        network = EfficientNetLite0()
        try:
            network.load_published(torch.load(self.features, map_location="cpu", weights_only=True))
        except (OSError, KeyError, RuntimeError, AttributeError, pickle.UnpicklingError) as error:
            raise RecipeError(f"{self.features} does not hold EfficientNet-Lite0: {error}") from None
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
