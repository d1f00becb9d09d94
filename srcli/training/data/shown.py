"""What a recipe learns from, to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair of a batch, uint8 (n, n, 3) each of its own size.

    sharp: the target, None where the truth is not known.
    given: what the network gets.
    words: kind, scale and degradation.
    """

    sharp: np.ndarray | None
    given: np.ndarray
    words: str


def to_bytes(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] as uint8 (H, W, 3)."""
    return (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
