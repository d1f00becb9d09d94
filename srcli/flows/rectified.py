"""Consistency rectified flow from the small picture to the photo (FlowSR, Xu et al. 2025).

The clock is the paper's: time 0 is the photo (HR), time 1 the enlarged small picture (LR), and t' > t. (`flow_maps`
has the clock of its papers, which runs the other way.) The velocity v points from the photo to the small picture.
Pictures are (B, C, H, W), times (B,); `distance` compares two batches of pictures and returns a scalar.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from srcli.flows.broadcast import across

Distance = Callable[[Tensor, Tensor], Tensor]


# --- the path ---


def interpolate(hr: Tensor, lr: Tensor, t: Tensor) -> Tensor:
    """FlowSR, Xu et al. 2025, section on rectified flow: X_t = (1 - t) X_HR + t X_LR.

    hr, lr: (B, C, H, W), lr enlarged to the size of hr. t: (B,) in [0, 1].
    """
    return torch.lerp(hr, lr, across(t))


def endpoint(x: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """FlowSR, Xu et al. 2025, section on consistency: f(x, t) = x - t v(x, t), where the path through x ends.

    x, velocity: (B, C, H, W). t: (B,); at 0 it is x itself.
    """
    return x - across(t) * velocity


def euler_step(x: Tensor, velocity: Tensor, later: Tensor, earlier: Tensor) -> Tensor:
    """FlowSR, Xu et al. 2025, section on consistency: the teacher's step, X_t = X_t' - (t' - t) v(X_t', t').

    x, velocity: (B, C, H, W) at t'. later, earlier: t' and t, (B,).
    """
    return x - across(later - earlier) * velocity


# --- losses ---


def flow_loss(end: Tensor, hr: Tensor) -> Tensor:
    """FlowSR, Xu et al. 2025, eq. 7, without its perceptual term: |f(X_t, t) - X_HR|^2, in the space of pictures.

    end, hr: (B, C, H, W). Returns the mean over everything.
    """
    return (end - hr).square().mean()


def consistency_loss(end_of_later: Tensor, target: Tensor, distance: Distance) -> Tensor:
    """FlowSR, Xu et al. 2025, section on consistency: d(f(X_t', t'), f-(X_t, t)), the same end seen from both times.

    end_of_later: f(X_t', t'), (B, C, H, W). target: f- of the moving average at the teacher's X_t; no gradient passes.
    """
    return distance(end_of_later, target.detach())


def hr_regularised_consistency_loss(
    end_of_later: Tensor, target: Tensor, end_of_earlier: Tensor, hr: Tensor, distance: Distance
) -> Tensor:
    """FlowSR, Xu et al. 2025, eq. 6: d(f(X_t', t'), f-(X_t, t)) + d(f(X_t, t), X_HR).

    end_of_later, target: those of `consistency_loss`. end_of_earlier: f(X_t, t) at the teacher's X_t. hr: the photo.
    All (B, C, H, W).
    """
    return consistency_loss(end_of_later, target, distance) + distance(end_of_earlier, hr)


# --- pairs of times ---


def fast_slow_pairs(count: int, intervals: int, slow: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """FlowSR, Xu et al. 2025, section on the fast-slow schedule: pairs t' > t > 0, of which one is on the fast grid.

    Half go from a fast time to a slow one of the interval below it, half from a slow time to the next fast one below;
    with one interval all are of the first kind. t is never 0, where f(x, 0) = x teaches nothing.

    count: pairs. intervals, slow: times of the fast and of the slow grid on (0, 1], the first among the second. Returns
    t' and t, (count,), drawn from torch's global generator.
    """
    length = slow // intervals
    fast = torch.randint(1, intervals + 1, (count,), device=device) * length
    below = fast - torch.randint(1, length, (count,), device=device)
    if intervals == 1:
        return fast / slow, below / slow
    later = torch.randint(length + 1, slow + 1, (count,), device=device)
    down = (later - 1) // length * length
    from_fast = torch.rand(count, device=device) < 0.5
    return torch.where(from_fast, fast, later) / slow, torch.where(from_fast, below, down) / slow


def neighbouring_pairs(count: int, slow: int, device: torch.device, length: int = 1) -> tuple[Tensor, Tensor]:
    """FlowSR, Xu et al. 2025, section on the fast-slow schedule: neighbours on one grid, which it is compared with.

    count: pairs. slow: times of the slow grid on (0, 1]. length: slow steps between the times of the grid that is used;
    1 is the slow grid itself. Returns t' and t > 0, (count,), drawn from torch's global generator.
    """
    later = torch.randint(2, slow // length + 1, (count,), device=device) * length
    return later / slow, (later - length) / slow
