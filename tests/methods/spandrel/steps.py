"""Networks of spandrel with random weights, as their authors save them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from srcli.methods.spandrel import library


def network(module: str, name: str, **sizes: Any) -> torch.nn.Module:
    library.architectures()
    torch.manual_seed(3)
    return getattr(import_module(f"spandrel.architectures.{module}"), name)(**sizes).eval()


def plksr(scale: int = 2) -> torch.nn.Module:
    """It adds to repeated pixels, so that a small last layer makes a faithful picture."""
    made = network(
        "PLKSR", "PLKSR", dim=16, upscaling_factor=scale, n_blocks=2, kernel_size=9, split_ratio=0.25,
        use_ea=False, ccm_type="CCM",
    )  # fmt: skip
    last = list(made.parameters())[-2:]
    with torch.no_grad():
        for weights in last:
            weights.mul_(0.05)
    return made


def saved(path: Path, made: torch.nn.Module, wrapping: str = "params_ema") -> Path:
    torch.save({wrapping: made.state_dict()} if wrapping else made.state_dict(), path)
    return path
