"""Times of a flow map: single ones for its velocity, pairs for its jumps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.training.recipe import RecipeError

FORMULATIONS = ("shortcut", "lagrangian", "eulerian")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Jumps from s to t, (B,) each. finest, (B,): whether no shorter jump is taught."""

    s: Tensor
    t: Tensor
    finest: Tensor


@dataclass(frozen=True, slots=True)
class Jumps:
    """How times are drawn. Shortcut: lengths 1, 1/2 ... 2^-(levels - 1), each with the same share, from multiples of
    themselves (Frans et al. 2024). Lagrangian and Eulerian: any two times, uniformly.

    start_share: share of single times, and of pairs that lie anywhere, that begin at 0, where every picture begins.
    """

    formulation: str = "shortcut"
    levels: int = 4
    start_share: float = 0.2

    def __post_init__(self) -> None:
        if self.formulation not in FORMULATIONS:
            raise RecipeError(f"the formulation is {', '.join(FORMULATIONS)}, not {self.formulation!r}")
        if self.levels < 1:
            raise RecipeError(f"a flow map has jumps of at least one length, not of {self.levels}")

    def single(self, count: int, device: torch.device) -> Tensor:
        """Times (count,) in [0, 1)."""
        s, kind = torch.rand(2, count, device=device)
        return torch.where(kind < self.start_share, 0.0, s)

    def pairs(self, count: int, device: torch.device) -> Pairs:
        if self.formulation == "shortcut":
            level = torch.randint(self.levels, (count,), device=device)
            length = 0.5**level
            s = (torch.rand(count, device=device) / length).floor() * length
            return Pairs(s, s + length, level == self.levels - 1)
        both, kind = torch.rand(2, count, device=device), torch.rand(count, device=device)
        s = torch.where(kind < self.start_share, 0.0, both.amin(0))
        return Pairs(s, both.amax(0), torch.zeros_like(s, dtype=torch.bool))
