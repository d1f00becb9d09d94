"""Natural cubic splines through tensors, with all derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Jet:
    """A point of a curve and its derivatives, (B, ...) each."""

    value: Tensor
    first: Tensor
    second: Tensor
    third: Tensor


class Spline:
    """A curve for each of B samples through knots (N, B, ...) at increasing positions, (N,) or each sample's, (N, B).

    cubic: twice differentiable, second derivative 0 at both ends; else straight from knot to knot.
    """

    def __init__(self, knots: Tensor, positions: Tensor, *, cubic: bool = True) -> None:
        if len(knots) != len(positions) or len(knots) < 2:
            raise ValueError(f"{len(knots)} knots at {len(positions)} positions make no curve")
        self.knots, self.positions = knots, positions.reshape(len(positions), -1).expand(knots.shape[:2])
        self.bend = self._second() if cubic else torch.zeros_like(knots)

    def _second(self) -> Tensor:
        """Second derivatives at the knots, (N, B, ...)."""
        bend = torch.zeros_like(self.knots)
        if len(self.knots) == 2:
            return bend
        h = self.positions.double().diff(dim=0).T  # (B, N - 1)
        matrix = torch.diag_embed(2 * (h[:, :-1] + h[:, 1:]))
        matrix += torch.diag_embed(h[:, 1:-1], 1) + torch.diag_embed(h[:, 1:-1], -1)
        slopes = self.knots.double().diff(dim=0).flatten(2).transpose(0, 1) / h[..., None]
        inner = torch.linalg.solve(matrix, 6 * slopes.diff(dim=1)).transpose(0, 1)
        bend[1:-1] = inner.reshape(bend[1:-1].shape).to(bend.dtype)
        return bend

    def segment(self, t: Tensor) -> Tensor:
        """Which pair of knots the times (B,) lie between; a knot belongs to the segment on its right. (B,)"""
        return (t >= self.positions[1:-1]).sum(0)

    def __call__(self, t: Tensor) -> Jet:
        """The curve at times t (B,), one a sample."""
        left, sample = self.segment(t), torch.arange(len(t), device=t.device)

        def across(v: Tensor) -> Tensor:
            return v.view(-1, *(1 for _ in self.knots.shape[2:])).to(self.knots.dtype)

        start, end = self.positions[left, sample], self.positions[left + 1, sample]
        h, a, b = across(end - start), across((end - t) / (end - start)), across((t - start) / (end - start))
        z0, z1 = self.knots[left, sample], self.knots[left + 1, sample]
        m0, m1 = self.bend[left, sample], self.bend[left + 1, sample]
        value = a * z0 + b * z1 + ((a**3 - a) * m0 + (b**3 - b) * m1) * h**2 / 6
        first = (z1 - z0) / h + ((1 - 3 * a**2) * m0 + (3 * b**2 - 1) * m1) * h / 6
        return Jet(value, first, a * m0 + b * m1, (m1 - m0) / h)


def taylor(jet: Jet, velocity: Tensor, step: Tensor) -> Tensor:
    """Where a third-order step of length `step` (B,) leads from a point of the curve with another velocity; with the
    curve's own, exactly along its segment, which is a cubic."""
    step = step.view(-1, *(1 for _ in jet.value.shape[1:]))
    return jet.value + step * velocity + step**2 / 2 * jet.second + step**3 / 6 * jet.third
