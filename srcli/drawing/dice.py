"""Random choices of a drawing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """A seeded numpy generator with the few questions that drawings ask."""

    def __init__(self, kind: str, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng([zlib.crc32(kind.encode()), seed])

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included; `low` if the range is empty."""
        return int(self.rng.integers(low, max(low, high) + 1))

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def normal(self, mean: float = 0.0, sigma: float = 1.0) -> float:
        return float(self.rng.normal(mean, sigma))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def turn(self, choices: Sequence[T]) -> T:
        """Consecutive seeds take consecutive choices, so that a few pictures show every style."""
        return choices[self.seed % len(choices)]

    def shuffled(self, choices: Sequence[T]) -> list[T]:
        return [choices[int(n)] for n in self.rng.permutation(len(choices))]
