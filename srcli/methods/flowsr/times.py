"""Times of a consistency rectified flow: single ones for the flow, pairs for the consistency (FlowSR, fast-slow)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.flows.rectified import fast_slow_pairs, neighbouring_pairs
from srcli.training.recipe import RecipeError


@dataclass(frozen=True, slots=True)
class Times:
    """Two grids on (0, 1]: a slow one of `slow` times and a fast one of `intervals` among them.

    kind of the pairs t' > t > 0: `fast-slow`: half from a fast time to a slow one of the interval below it, half from
    a slow time to the next fast one below; `slow`: neighbours on the slow grid; `fast`: neighbours on the fast grid.
    start_share: share of single times that are 1, where a picture made in one step is judged.
    """

    kind: str = "fast-slow"
    intervals: int = 4
    slow: int = 1000
    start_share: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("fast-slow", "slow", "fast"):
            raise RecipeError(f"pairs of times are fast-slow, slow or fast, not {self.kind!r}")
        if self.intervals < 1 or self.slow % self.intervals or self.slow < 2 * self.intervals:
            raise RecipeError(f"{self.intervals} intervals do not divide {self.slow} times")
        if self.kind == "fast" and self.intervals < 2:
            raise RecipeError("pairs of fast times need at least two intervals")

    def draw(self, count: int, device: torch.device) -> Tensor:
        """Single times (count,)."""
        t = torch.randint(1, self.slow + 1, (count,), device=device)
        started = torch.rand(count, device=device) < self.start_share
        return torch.where(started, self.slow, t) / self.slow

    def pairs(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t' > t > 0, (count,) each."""
        if self.kind == "fast-slow":
            return fast_slow_pairs(count, self.intervals, self.slow, device)
        length = 1 if self.kind == "slow" else self.slow // self.intervals
        return neighbouring_pairs(count, self.slow, device, length)
