"""Flow maps by self-distillation (Boffi et al. 2025; Shortcut: Frans et al. 2024; FlowMapSR: Noble et al. 2026).

Time runs from 0, the enlarged small picture (LR), to 1, the photo (HR); 0 <= s <= t <= 1. (`rectified` has FlowSR's
clock, which runs the other way.) X_{s,t}(x) = x + (t - s) u(x, s, t) jumps from s to t; u(x, s, s) is the velocity v,
which points to the photo. Pictures are (B, C, H, W), times (B,), losses one per sample, (B,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn import functional as F

from srcli.flows.broadcast import across

Field = Callable[[Tensor, Tensor, Tensor], Tensor]  # u(x, s, t)


# --- path and map ---


def interpolant(lr: Tensor, hr: Tensor, s: Tensor, noise: Tensor | None = None, sigma: float = 0.0) -> Tensor:
    """Flow maps, Boffi et al. 2025, stochastic interpolant: I_s = (1 - s) lr + s hr + sigma sqrt(s (1 - s)) noise.

    lr, hr, noise: (B, C, H, W). s: (B,). The noise of the bridge vanishes at both ends; None: no noise.
    """
    x = torch.lerp(lr, hr, across(s))
    return x if noise is None else x + sigma * across((s * (1 - s)).sqrt()) * noise


def move(x: Tensor, velocity: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """Flow maps, Boffi et al. 2025, form of the map: x + (t - s) u, from s to t with the mean velocity u.

    x, velocity: (B, C, H, W). s, t: (B,).
    """
    return x + across(t - s) * velocity


def jump(u: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """Flow maps, Boffi et al. 2025, form of the map: X_{s,t}(x) = x + (t - s) u(x, s, t)."""
    return move(x, u(x, s, t), s, t)


def sample(u: Field, x: Tensor, steps: int) -> Tensor:
    """Flow maps, Boffi et al. 2025, sampling: the end of the path from x at time 0, in `steps` equal jumps."""
    for k in range(steps):
        x = jump(u, x, x.new_full((len(x),), k / steps), x.new_full((len(x),), (k + 1) / steps))
    return x


def square(error: Tensor) -> Tensor:
    """Flow maps, Boffi et al. 2025, norm of all losses: the mean square of each sample, (B, ...) to (B,)."""
    return error.square().flatten(1).mean(1)


# --- losses and targets ---


def flow_matching(made: Tensor, lr: Tensor, hr: Tensor) -> Tensor:
    """Flow maps, Boffi et al. 2025, flow matching on the diagonal: |u(I_s, s, s) - (hr - lr)|^2.

    made: the velocity that was made at I_s. All (B, C, H, W); returns (B,).
    """
    return square(made - (hr - lr))


@torch.no_grad()
def shortcut_target(u: Field, x: Tensor, s: Tensor, t: Tensor, share: float = 0.5) -> Tensor:
    """Shortcut, Frans et al. 2024, self-consistency target: the mean velocity of two jumps, from s to r and on to t.

    share: where r lies, r = s + share (t - s). u: the network of the targets. No gradient passes.
    """
    r = s + share * (t - s)
    first = u(x, s, r)
    second = u(move(x, first, s, r), r, t)
    return share * first + (1 - share) * second


def lagrangian_residual(u: Field, velocity: Field, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """Flow maps, Boffi et al. 2025, Lagrangian self-distillation: u + (t - s) du/dt - v(X_{s,t}(x), t).

    What is wrong with d/dt X_{s,t}(x) = v(X_{s,t}(x), t), by one JVP in t. Gradients pass through u and du/dt.
    velocity: the field whose diagonal is v; no gradient passes.
    """
    mean, change = jvp(lambda later: u(x, s, later), (t,), (torch.ones_like(t),))[:2]
    with torch.no_grad():
        reached = velocity(move(x, mean, s, t), t, t)
    return mean + across(t - s) * change - reached


@torch.no_grad()
def eulerian_target(u: Field, velocity: Tensor, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """Flow maps, Boffi et al. 2025, Eulerian self-distillation: v + (t - s) (du/ds + grad u . v).

    From d/ds X + grad X . v = 0, by one JVP in x and s. No gradient passes. velocity: v at x, u(x, s, s) in
    self-distillation, hr - lr in the mean-flow form (Geng et al. 2025).
    """
    change = jvp(lambda place, start: u(place, start, t), (x, s), (velocity, torch.ones_like(s)))[1]
    return velocity + across(t - s) * change


def guided(positive: Field, negative: Field, weight: float | Tensor) -> Field:
    """FlowMapSR, Noble et al. 2026, positive-negative guidance: u_neg + w (u_pos - u_neg).

    Classifier-free guidance (Ho and Salimans 2021) of the fields under both conditions. weight: w, one for all, (B,) or
    (B, 1, H, W).
    """
    factor = across(weight) if isinstance(weight, Tensor) and weight.dim() == 1 else weight

    def field(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        away = negative(x, s, t)
        return away + factor * (positive(x, s, t) - away)

    return field


# --- how losses are weighted ---


def normalised(loss: Tensor, power: float) -> Tensor:
    """Mean flows, Geng et al. 2025, adaptive weight: loss / sg(loss + 1e-3)^power.

    loss: (B,). Samples with a large residual, as Eulerian targets have, do not outweigh all others.
    """
    return loss / (loss.detach() + 1e-3) ** power


def weighted(loss: Tensor, log_weight: Tensor) -> Tensor:
    """FlowMapSR, Noble et al. 2026, dynamic weighting, as of Kendall et al. 2018: mean(exp(-lambda) loss + lambda).

    loss, log_weight: (B,). Where it is least, e^lambda is the loss to expect. The exact form in FlowMapSR is not known.
    """
    return ((-log_weight).exp() * loss + log_weight).mean()


# --- the adversary ---


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """FlowMapSR, Noble et al. 2026, adversarial fine-tuning: E softplus(-(D(fake) - D(real))), relativistic in pairs.

    real, fake: logits of the discriminator D, of the same small picture at the same place of the batch.
    """
    return F.softplus(real - fake).mean()


def discriminator_loss(judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, penalty: float) -> Tensor:
    """FlowMapSR, Noble et al. 2026, adversarial fine-tuning: E softplus(-(D(real) - D(fake))) and its penalties.

    The penalties are R1 and R2, penalty / 2 (E |grad D(real)|^2 + E |grad D(fake)|^2). real, fake: (B, C, H, W).
    """
    real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
    of_real, of_fake = judge(real), judge(fake)
    loss = F.softplus(of_fake - of_real).mean()
    if penalty:
        loss = loss + penalty / 2 * (gradient_penalty(of_real, real) + gradient_penalty(of_fake, fake))
    return loss


def gradient_penalty(logits: Tensor, image: Tensor) -> Tensor:
    """R1, Mescheder et al. 2018: E |grad D|^2.

    Of several logits a sample, (B, ...), their sum is differentiated and the square divided by their number, so that
    the penalty does not depend on how many there are.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    return gradient.square().sum() / logits.numel()
