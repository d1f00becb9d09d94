"""LPIPS v0.1 (Zhang et al., CVPR 2018), exact. Scores of different trunks cannot be compared: always name the trunk."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from srcli.metrics.trunks import TrunkError, load_trunk, read_weights
from srcli.networks.trunks import Trunk

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class LPIPS:
    """The distance of RGB images (N, 3, H, W) in [-1, 1]: one number per pair, 0 for equal images."""

    def __init__(self, trunk: Trunk, heads: list[Tensor]) -> None:
        self.trunk, self.heads = trunk, heads

    @classmethod
    def load(cls, *paths: Path, kind: str = "squeeze") -> LPIPS:
        """Load safetensors with `features.*` and the heads `linN.weight`, in one file or two. Raises TrunkError."""
        weights, source = read_weights(*paths), " and ".join(map(str, paths))
        trunk = load_trunk(kind, weights, source)
        names = [f"lin{i}.weight" for i in range(len(trunk.taps))]
        if missing := [n for n in names if n not in weights]:
            raise TrunkError(f"{source} has no LPIPS heads ({missing[0]} is missing)")
        return cls(trunk, [weights[n] for n in names])

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,): the sum over taps of the mean over space of the weighted squared differences."""
        return self.between(self.features(a), self.features(b))

    def per_tap(self, a: Tensor, b: Tensor) -> list[Tensor]:
        """The terms of the distance, one (N,) per tap."""
        return self._compare(self.features(a), self.features(b))

    def features(self, image: Tensor) -> list[Tensor]:
        """Activations of unit length at every tap, for use with `between`."""
        return [unit(x) for x in self.trunk(normalise(image))]

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distances (N,) of images given by their `features`."""
        return torch.stack(self._compare(a, b)).sum(0)

    def _compare(self, a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        pairs = zip(a, b, self.heads, strict=True)
        # Mean first: one pass over the activations, and the heads see one number per channel.
        return [((x - y).square_().mean((2, 3)) * head.flatten()).sum(1) for x, y, head in pairs]


def normalise(image: Tensor) -> Tensor:
    """Convert [-1, 1] to the normalisation of ImageNet trunks."""
    shift, scale = (image.new_tensor(v).view(1, 3, 1, 1) for v in (SHIFT, SCALE))
    return (image - shift) / scale


def unit(features: Tensor) -> Tensor:
    """Normalise channel vectors to unit length; epsilon is added to the root, as in the official code."""
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
