"""The path of degradations of DegFlow (AAAI 2026): a natural cubic spline through the latents of known levels.

Time is 0 at the sharp photo and 1 at scale 4. z_i are the latents at the knots p_i, M_i the spline's second derivatives
there, h_i = p_{i+1} - p_i. The network's velocity v(z, t) learns the derivative z' along the spline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from srcli.flows.broadcast import across

LEAST, MOST = 1.0, 4.0  # scales at the two ends of the path
Scale = TypeVar("Scale", float, Tensor)


def time_of_scale(scale: Scale) -> Scale:
    """DegFlow (AAAI 2026), scale and time: t = (s - 1) / 3, so that 1 is at 0 and 4 at 1. scale: s, any shape."""
    return (scale - LEAST) / (MOST - LEAST)


@dataclass(frozen=True, slots=True)
class Jet:
    """A point of a curve and its derivatives, (B, ...) each."""

    value: Tensor
    first: Tensor
    second: Tensor
    third: Tensor


def second_derivatives(knots: Tensor, positions: Tensor) -> Tensor:
    """DegFlow (AAAI 2026), natural cubic spline: M, from the tridiagonal system for its inner knots; M = 0 at the ends.

    h_{j-1} M_{j-1} + 2 (h_{j-1} + h_j) M_j + h_j M_{j+1} = 6 ((z_{j+1} - z_j) / h_j - (z_j - z_{j-1}) / h_{j-1}).

    knots: z, (N, B, ...). positions: p, increasing, (N, B). Returns (N, B, ...), solved in float64.
    """
    bend = torch.zeros_like(knots)
    if len(knots) == 2:
        return bend
    h = positions.double().diff(dim=0).T  # (B, N - 1)
    matrix = torch.diag_embed(2 * (h[:, :-1] + h[:, 1:]))
    matrix += torch.diag_embed(h[:, 1:-1], 1) + torch.diag_embed(h[:, 1:-1], -1)
    slopes = knots.double().diff(dim=0).flatten(2).transpose(0, 1) / h[..., None]
    inner = torch.linalg.solve(matrix, 6 * slopes.diff(dim=1)).transpose(0, 1)
    bend[1:-1] = inner.reshape(bend[1:-1].shape).to(bend.dtype)
    return bend


class Spline:
    """DegFlow (AAAI 2026), natural cubic spline: the curve z(t) and its derivatives, for each of B samples.

    knots: (N, B, ...). positions: increasing, (N,) or each sample's, (N, B). cubic: as in the paper; else straight from
    knot to knot.
    """

    def __init__(self, knots: Tensor, positions: Tensor, *, cubic: bool = True) -> None:
        if len(knots) != len(positions) or len(knots) < 2:
            raise ValueError(f"{len(knots)} knots at {len(positions)} positions make no curve")
        self.knots, self.positions = knots, positions.reshape(len(positions), -1).expand(knots.shape[:2])
        self.bend = second_derivatives(knots, self.positions) if cubic else torch.zeros_like(knots)

    def segment(self, t: Tensor) -> Tensor:
        """Which pair of knots the times (B,) lie between; a knot belongs to the segment on its right. (B,)"""
        return (t >= self.positions[1:-1]).sum(0)

    def __call__(self, t: Tensor) -> Jet:
        """The curve at times t (B,), one a sample."""
        left, sample = self.segment(t), torch.arange(len(t), device=t.device)
        start, end = self.positions[left, sample], self.positions[left + 1, sample]
        h, a, b = (
            across(v, self.knots.dim() - 1).to(self.knots.dtype)
            for v in (end - start, (end - t) / (end - start), (t - start) / (end - start))
        )
        z0, z1 = self.knots[left, sample], self.knots[left + 1, sample]
        m0, m1 = self.bend[left, sample], self.bend[left + 1, sample]
        value = a * z0 + b * z1 + ((a**3 - a) * m0 + (b**3 - b) * m1) * h**2 / 6
        first = (z1 - z0) / h + ((1 - 3 * a**2) * m0 + (3 * b**2 - 1) * m1) * h / 6
        return Jet(value, first, a * m0 + b * m1, (m1 - m0) / h)


def taylor(jet: Jet, velocity: Tensor, step: Tensor) -> Tensor:
    """DegFlow (AAAI 2026), Taylor step to the next knot: z + d v + d^2/2 z'' + d^3/6 z''', with d the step.

    With the curve's own velocity it leads exactly along its segment, which is a cubic. velocity: v, (B, ...). step:
    (B,).
    """
    step = across(step, jet.value.dim())
    return jet.value + step * velocity + step**2 / 2 * jet.second + step**3 / 6 * jet.third


def velocity_loss(velocity: Tensor, derivative: Tensor) -> Tensor:
    """DegFlow (AAAI 2026), loss of the flow: mean |v(z_t, t) - z'_t|^2.

    velocity, derivative: (B, ...). Returns the mean over everything.
    """
    return (velocity - derivative).square().mean()


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """DegFlow (AAAI 2026), loss of the autoencoder: the mean squared error of pictures in [-1, 1].

    made, wanted: (B, 3, H, W) in [0, 1], where the error is half as large.
    """
    return 4 * (made - wanted).square().mean()
