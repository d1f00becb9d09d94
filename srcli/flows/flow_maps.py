"""Flow maps by self-distillation (Boffi et al. 2025; Shortcut: Frans et al. 2024; FlowMapSR: Noble et al. 2026).

Time runs from 0, the enlarged picture, to 1, the sharp one; 0 <= s <= t <= 1. X_{s,t}(x) = x + (t - s) u(x, s, t) jumps
from s to t; u(x, s, s) is the velocity itself. Pictures are (B, C, H, W), times (B,), losses one per sample, (B,).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import jvp

from srcli.methods.flowsr.times import across
from srcli.training import losses

Field = Callable[[Tensor, Tensor, Tensor], Tensor]  # u(x, s, t)
# Least loss that an uncertainty expects, 36 dB of pictures in [-1, 1]: the optimum for one near 0, as that of short
# jumps is, has no bound, and what is left of it would outweigh all other losses.
LEAST_LOSS = 1e-3


# --- path and map ---


def interpolant(lr: Tensor, hr: Tensor, s: Tensor, noise: Tensor | None = None, sigma: float = 0.0) -> Tensor:
    """I_s = (1 - s) lr + s hr + sigma sqrt(s (1 - s)) noise. The noise of the bridge vanishes at both ends."""
    x = torch.lerp(lr, hr, across(s))
    return x if noise is None else x + sigma * across((s * (1 - s)).sqrt()) * noise


def jump(u: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """X_{s,t}(x)."""
    return x + across(t - s) * u(x, s, t)


def sample(u: Field, x: Tensor, steps: int) -> Tensor:
    """The end of the path from x at time 0, in jumps of equal length."""
    for k in range(steps):
        x = jump(u, x, x.new_full((len(x),), k / steps), x.new_full((len(x),), (k + 1) / steps))
    return x


def square(error: Tensor) -> Tensor:
    """Mean square of each sample."""
    return error.square().flatten(1).mean(1)


# --- the targets ---


def flow_matching(made: Tensor, lr: Tensor, hr: Tensor) -> Tensor:
    """|u(x, s, s) - (hr - lr)|^2 of the velocity that was made at x on the path: the diagonal."""
    return square(made - (hr - lr))


@torch.no_grad()
def shortcut_target(u: Field, x: Tensor, s: Tensor, t: Tensor, share: float = 0.5) -> Tensor:
    """Mean velocity of two jumps, from s to r and from r to t, where r lies a `share` of the way."""
    r = s + share * (t - s)
    first = u(x, s, r)
    second = u(x + across(r - s) * first, r, t)
    return share * first + (1 - share) * second


def lagrangian_residual(u: Field, velocity: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """What is wrong with d/dt X_{s,t}(x) = v(X_{s,t}(x), t): u + (t - s) du/dt - v, one JVP in t.

    Gradients pass through u and du/dt. velocity: the field whose diagonal is v; no gradient passes.
    """
    mean, change = jvp(lambda later: u(x, s, later), (t,), (torch.ones_like(t),))[:2]
    with torch.no_grad():
        reached = velocity(x + across(t - s) * mean, t, t)
    return mean + across(t - s) * change - reached


@torch.no_grad()
def eulerian_target(u: Field, velocity: Tensor, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """v + (t - s) (du/ds + grad u . v), from d/ds X + grad X . v = 0; one JVP in x and s.

    velocity: v at x, u(x, s, s) in self-distillation, hr - lr in the mean-flow form (Geng et al. 2025).
    """
    change = jvp(lambda place, start: u(place, start, t), (x, s), (velocity, torch.ones_like(s)))[1]
    return velocity + across(t - s) * change


def guided(positive: Field, negative: Field, weight: float | Tensor) -> Field:
    """u_neg + w (u_pos - u_neg), w one for all, (B,) or (B, 1, H, W). Of the fields under both conditions (Ho and
    Salimans 2021)."""
    factor = across(weight) if isinstance(weight, Tensor) and weight.dim() == 1 else weight

    def field(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        away = negative(x, s, t)
        return away + factor * (positive(x, s, t) - away)

    return field


# --- how they are weighted ---


def normalised(loss: Tensor, power: float) -> Tensor:
    """loss / sg(loss + 1e-3)^power: samples with a large residual, as Eulerian targets have, do not outweigh all."""
    return loss / (loss.detach() + 1e-3) ** power


def weighted(loss: Tensor, log_weight: Tensor) -> Tensor:
    """mean(exp(-lambda) loss + lambda); at its optimum e^lambda is the loss to expect (Kendall et al. 2018)."""
    return ((-log_weight).exp() * loss + log_weight).mean()


class Uncertainty(nn.Module):
    """lambda(s, t) of each of `kinds` losses, (B,), by a small MLP each; `first` everywhere at first, about the
    logarithm of the mean square that is left of pictures in [-1, 1].

    lr_factor: it learns that much faster than the network whose losses it weighs.
    """

    lr_factor = 10.0
    octaves = 4

    def __init__(self, kinds: int = 2, width: int = 64, first: float = -4.0) -> None:
        super().__init__()
        self.of = nn.ModuleList(self._mlp(width, first) for _ in range(kinds))

    def _mlp(self, width: int, first: float) -> nn.Sequential:
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, first)
        return nn.Sequential(nn.Linear(4 * self.octaves, width), nn.SiLU(), last)

    def forward(self, kind: int, s: Tensor, t: Tensor) -> Tensor:
        turns = math.pi * 2.0 ** torch.arange(self.octaves, device=s.device, dtype=s.dtype)
        angles = torch.stack([s, t - s], 1)[..., None] * turns
        return self.of[kind](torch.cat([angles.sin(), angles.cos()], 1).flatten(1)).squeeze(1)


# --- the adversary ---


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic paired loss of the generator: E softplus(-(D(fake) - D(real))), pairs of one low-resolution side."""
    return losses.relativistic_pair(fake, real)


def discriminator_loss(judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, penalty: float) -> Tensor:
    """E softplus(-(D(real) - D(fake))) + penalty / 2 (E |grad D(real)|^2 + E |grad D(fake)|^2): R1 and R2."""
    real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
    of_real, of_fake = judge(real), judge(fake)
    loss = losses.relativistic_pair(of_real, of_fake)
    if penalty:
        loss = loss + penalty / 2 * (gradient_penalty(of_real, real) + gradient_penalty(of_fake, fake))
    return loss


def gradient_penalty(logits: Tensor, image: Tensor) -> Tensor:
    """E |grad D|^2 (Mescheder et al. 2018). Of several logits a sample, (B, ...), their sum is differentiated and the
    square divided by their number, so that the penalty does not depend on how many there are."""
    (gradient,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    return gradient.square().sum() / logits.numel()
