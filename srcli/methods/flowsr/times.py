"""Times of a consistency rectified flow: single ones for the flow, pairs for the consistency (FlowSR, fast-slow)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
        """t' and t, (count,) each. t is never 0, where f(x, 0) = x teaches nothing."""
        if self.kind == "slow":
            later = torch.randint(2, self.slow + 1, (count,), device=device)
            return later / self.slow, (later - 1) / self.slow
        length = self.slow // self.intervals
        if self.kind == "fast":
            later = torch.randint(2, self.intervals + 1, (count,), device=device) * length
            return later / self.slow, (later - length) / self.slow
        fast = torch.randint(1, self.intervals + 1, (count,), device=device) * length
        below = fast - torch.randint(1, length, (count,), device=device)
        if self.intervals == 1:
            return fast / self.slow, below / self.slow
        later = torch.randint(length + 1, self.slow + 1, (count,), device=device)
        down = (later - 1) // length * length
        from_fast = torch.rand(count, device=device) < 0.5
        return torch.where(from_fast, fast, later) / self.slow, torch.where(from_fast, below, down) / self.slow


def across(values: Tensor) -> Tensor:
    """One number a sample, (B,), to be multiplied with pictures."""
    return values.view(-1, 1, 1, 1)
