"""Tiny networks of DegFlow, photos for them, and how close numbers of the reference must be."""

from __future__ import annotations

import numpy as np
import torch

from srcli.methods.degflow.model import DegflowModel
from srcli.methods.registry import build

FORWARD, LATENT, PICTURE = 1e-5, 5e-4, 1e-5  # tolerances of the fixtures
SMALL_AE, SMALL_FLOW = {"kind": "degflow-ae", "base_dim": 8}, {"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1}


def close(made: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    """Within the tolerance, of the largest value where that is above 1."""
    assert made.shape == wanted.shape
    assert (made - wanted).abs().max().item() <= tolerance * max(1.0, wanted.abs().max().item())


def lively(architecture: dict, seed: int = 0) -> torch.nn.Module:
    """A random network in which every part does something, also those that begin silent."""
    torch.manual_seed(seed)
    network = build(architecture)
    for name, parameter in network.named_parameters():
        if not parameter.any() and "bias" not in name:
            torch.nn.init.normal_(parameter, std=0.2 if "beta" in name or "gamma" in name else 0.02)
    return network.eval().requires_grad_(False)


def ours(seed: int = 0) -> DegflowModel:
    """A tiny generator of the kind that we train: made for tiles."""
    return DegflowModel(lively(SMALL_AE, seed), lively(SMALL_FLOW | {"tileable": True}, seed))  # type: ignore[arg-type]


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(y / (7 + c) + c) * np.cos(x / (11 - c)) for c in range(3)], -1)
    return (127 + 90 * waves + rng.normal(0, 8, waves.shape)).clip(0, 255).astype(np.uint8)
