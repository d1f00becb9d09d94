"""Solvers of dz/dt = f(z, t) from one time to a later one, with the state at any times in between.

One step of an explicit Runge-Kutta method from t to t + h has slopes k_i = f(z + h sum_j a_ij k_j, t + c_i h) and
reaches z + h sum_i b_i k_i.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.errors import SrcliError

Field = Callable[[Tensor, float], Tensor]

# Dormand and Prince 1980, RK5(4)7M: nodes c, stages a, weights b of the fifth order, which is carried on. The last
# stage is the first of the next step.
NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
STAGES = (
    (), (1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)  # fmt: skip
FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
ERROR = (-71 / 57600, 0.0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40)  # fourth minus fifth order
# The step as a polynomial of the share of it, of fourth order (Shampine 1986): rows are stages, columns powers 1 to 4.
DENSE = (
    (1.0, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432), (0.0, 0.0, 0.0, 0.0),
    (0.0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
    (0.0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
    (0.0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
    (0.0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
    (0.0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
)  # fmt: skip


class TooRough(SrcliError):
    """A field that adaptive steps do not get through."""


@dataclass(frozen=True, slots=True)
class Solver:
    """Runge-Kutta, Dormand and Prince 1980: the solution of dz/dt = f(z, t), by adaptive or by equal steps.

    kind: `dopri5`, adaptive steps of Dormand and Prince at relative and absolute `tolerance`, at most `most`
    evaluations; `rk4`, `steps` equal steps of the classical method, four evaluations each.
    """

    kind: str = "dopri5"
    steps: int = 16
    tolerance: float = 1e-5
    most: int = 1000

    def __post_init__(self) -> None:
        if self.kind not in ("dopri5", "rk4"):
            raise ValueError(f"unknown solver {self.kind!r}; use dopri5 or rk4")
        if self.steps < 1:
            raise ValueError(f"a path has at least one step, not {self.steps}")

    def __call__(self, f: Field, z: Tensor, start: float, end: float, at: Sequence[float]) -> Solution:
        """From z at `start` to `end`; at: increasing times between them. The steps do not depend on `at`."""
        times = list(at)
        if times != sorted(times) or (times and not start <= times[0] <= times[-1] <= end):
            raise ValueError(f"expected increasing times from {start} to {end}, got {times}")
        return (_dopri5 if self.kind == "dopri5" else _rk4)(self, f, z.double(), start, end, times)


@dataclass(slots=True)
class Solution:
    """States at the times asked for, float64, and how often the field was evaluated."""

    states: list[Tensor]
    evaluations: int


def _dopri5(how: Solver, f: Field, z: Tensor, start: float, end: float, times: list[float]) -> Solution:
    """Adaptive steps, Dormand and Prince 1980; step control as in Hairer, Nørsett and Wanner 1993, section II.4.

    The error is its root mean square over the whole state.
    """
    slope, found = f(z, start), Solution([], 2)
    h = _first_step(how, f, z, slope, start, end)
    t, rejected = start, False
    while t < end:
        if found.evaluations + 6 > how.most:
            raise TooRough(f"the flow is too rough: {how.most} evaluations lead only to t = {t:.3f}; use rk4 steps")
        h = min(max(h, 10 * (math.nextafter(t, math.inf) - t)), end - t)
        later = end if end - t - h <= 0 else t + h
        h = later - t
        reached, stages = _stages(f, z, slope, t, h)
        found.evaluations += 6
        scale = how.tolerance * (1 + torch.maximum(z.abs(), reached.abs()))
        error = _size(h * _sum(stages, ERROR) / scale)
        if not math.isfinite(error):
            raise TooRough(f"the flow is not finite at t = {t:.3f}")
        factor = 10.0 if error == 0 else 0.9 * error**-0.2
        if error >= 1:
            h, rejected = h * max(0.2, factor), True
            continue
        while len(found.states) < len(times) and times[len(found.states)] <= later:
            found.states.append(_between(z, stages, h, (times[len(found.states)] - t) / h))
        h = h * min(1.0 if rejected else 10.0, factor)
        z, slope, t, rejected = reached, stages[6], later, False
    return found


def _stages(f: Field, z: Tensor, slope: Tensor, t: float, h: float) -> tuple[Tensor, list[Tensor]]:
    """The state after a step from t to t + h, and the slopes k_1 ... k_7 of its stages."""
    stages = [slope]
    for node, weights in zip(NODES[1:], STAGES[1:], strict=True):
        stages.append(f(z + h * _sum(stages, weights), t + node * h))
    reached = z + h * _sum(stages, FIFTH)
    stages.append(f(reached, t + h))
    return reached, stages


def _first_step(how: Solver, f: Field, z: Tensor, slope: Tensor, start: float, end: float) -> float:
    """A length at which an explicit Euler step changes the slope little (Hairer, Nørsett and Wanner 1993, II.4)."""
    scale = how.tolerance * (1 + z.abs())
    d0, d1 = _size(z / scale), _size(slope / scale)
    h0 = min(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, end - start)
    d2 = _size((f(z + h0 * slope, start + h0) - slope) / scale) / h0
    h1 = max(1e-6, h0 * 1e-3) if max(d1, d2) <= 1e-15 else (0.01 / max(d1, d2)) ** 0.2
    return min(100 * h0, h1, end - start)


def _between(z: Tensor, stages: list[Tensor], h: float, share: float) -> Tensor:
    """The state at a share of a step from z, of fourth order (Shampine 1986)."""
    powers = [share**n for n in range(1, 5)]
    return z + h * _sum(stages, [sum(p * c for p, c in zip(powers, row, strict=True)) for row in DENSE])


def _rk4(how: Solver, f: Field, z: Tensor, start: float, end: float, times: list[float]) -> Solution:
    """Equal steps of the classical method of fourth order (Kutta 1901).

    Between them the cubic that has the states and slopes of both ends.
    """
    found, h = Solution([], 4 * how.steps + 1), (end - start) / how.steps
    slope = f(z, start)
    for n in range(how.steps):
        t = start + n * h
        b = f(z + h / 2 * slope, t + h / 2)
        c = f(z + h / 2 * b, t + h / 2)
        d = f(z + h * c, t + h)
        reached = z + h / 6 * (slope + 2 * b + 2 * c + d)
        after, last = f(reached, t + h), n == how.steps - 1
        while len(found.states) < len(times) and (last or times[len(found.states)] <= t + h):
            s = min(1.0, (times[len(found.states)] - t) / h)
            straight = (1 - s) * z + s * reached
            lean = (1 - 2 * s) * (reached - z) + (s - 1) * h * slope + s * h * after
            found.states.append(straight + s * (s - 1) * lean)
        z, slope = reached, after
    return found


def _sum(stages: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = torch.zeros_like(stages[0])
    for stage, weight in zip(stages, weights, strict=False):
        if weight:
            total = total.add_(stage, alpha=weight)
    return total


def _size(x: Tensor) -> float:
    """Root mean square over everything."""
    return x.square().mean().sqrt().item()
