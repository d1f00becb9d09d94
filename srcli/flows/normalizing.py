"""Normalizing flows: the change of variables, affine layers and the likelihood (SRFlow; LINF has the same parts).

z = f(y; x) maps what the flow models to a standard normal latent, given the condition x. Layers are applied from y to
z; the log-determinants of their Jacobians add up. Scales are the factors themselves, not their logarithms. Values are
(B, ...), log-determinants and log-probabilities (B,) in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from srcli.flows.broadcast import total

LOG_2PI = math.log(2 * math.pi)


# --- likelihood ---


def log_normal(z: Tensor) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, conditional normalizing flows: log p_z(z) of the standard normal distribution.

    z: (B, ...). Returns (B,), in nats.
    """
    return -0.5 * total(z.square() + LOG_2PI)


def change_of_variables(z: Tensor, log_det: Tensor) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, eq. 1: log p(y|x) = log p_z(f(y; x)) + log |det df/dy|.

    z: f(y; x), (B, ...). log_det: of all layers, (B,) or one for all, (). Returns (B,), in nats.
    """
    return log_det + log_normal(z)


def negative_log_likelihood(log_p: Tensor, values: int) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, eq. 2: -log p(y|x), the mean over samples, here in nats per value.

    log_p: (B,). values: how many values a sample has; the paper divides by none.
    """
    return -log_p.mean() / values


def bits_per_pixel(log_p: Tensor, pixels: int) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, eq. 2: -log2 p(y|x) per pixel, as the official code reports it.

    log_p: (B,). pixels: height times width; a pixel has all three channels. Returns (B,).
    """
    return -log_p / (math.log(2) * pixels)


# --- layers ---


def linear_log_det(weight: Tensor) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, conditional flow layers, invertible 1x1 convolution: log |det W| of one position.

    weight: W, (C, C). Returns (): a map of h x w positions has h w times as much.
    """
    return torch.linalg.slogdet(weight)[1]


def scale_of(logit: Tensor, least: float = 1e-4) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, conditional flow layers, as published: scale = sigmoid(logit + 2) + least.

    The paper has exp(f_s) in its place; LINF has the same as here. logit: what a network says, any shape. Scales lie
    between `least` and 1 + `least`.
    """
    return torch.sigmoid(logit + 2) + least


def affine(h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, conditional flow layers, as published: (h + shift) scale.

    The affine injector applies it to all channels, the conditional affine coupling to the second half. The
    paper's exp(f_s) h + f_b has exp(f_s) = scale and f_b = shift scale. All of one shape, (B, ...).
    """
    return (h + shift) * scale


def inverse_affine(h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, conditional flow layers: the inverse of `affine`, h / scale - shift."""
    return h / scale - shift


def affine_log_det(scale: Tensor) -> Tensor:
    """SRFlow, Lugmayr et al. 2020, conditional flow layers: the sum of log scale, of injector and coupling alike.

    scale: (B, ...). Returns (B,).
    """
    return total(scale.log())


def standardise(z: Tensor, mean: Tensor, log_std: Tensor) -> tuple[Tensor, Tensor]:
    """Glow, Kingma and Dhariwal 2018, multi-scale split: eps = (z - mean) / std, and log N(z; mean, std^2).

    z: what leaves the flow, (B, C, h, w). mean, log_std: what the part that stays says of it. Returns eps and (B,).
    """
    eps = (z - mean) * (-log_std).exp()
    return eps, log_normal(eps) - total(log_std)


def unstandardise(eps: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Glow, Kingma and Dhariwal 2018, multi-scale split: z = mean + std eps, the inverse of `standardise`."""
    return mean + log_std.exp() * eps


# --- bounds, ours: against inverses that explode ---


def soft_limit(x: Tensor, knee: float, most: float) -> Tensor:
    """Ours, against the exploding inverses of Tsao et al. 2024: x up to `knee`, then a hyperbola towards `most`.

    Odd, with a continuous derivative; x of any shape, the result in (-most, most). Divisions and additions alone, which
    round the same in vector loops and their tails: tiles equal the whole.
    """
    size, room = x.abs(), most - knee
    beyond = ((size - knee) / room).clamp_min(0)  # -1 would divide by zero, and the gradient of what is left out be NaN
    return torch.where(size > knee, (knee + room * (1 - 1 / (1 + beyond))).copysign(x), x)


def soft_upper_limit_(x: Tensor, knee: float, most: float) -> Tensor:
    """Ours, against the exploding inverses of Tsao et al. 2024: `soft_limit` of x >= 0, to the bit, in its place.

    Two passes over memory fewer, and one block of it. Not differentiable.
    """
    room = most - knee
    beyond = (x - knee).div_(room).clamp_min_(0)
    bent = beyond.add_(1).reciprocal_().neg_().add_(1).mul_(room).add_(knee)
    return torch.where(x > knee, bent, x, out=x)


def bend(x: Tensor, reach: float) -> Tensor:
    """Ours, against the exploding inverses of Tsao et al. 2024: x / sqrt(1 + (x / reach)^2), about x where it is small.

    x of any shape, the result in (-reach, reach).
    """
    return x / (1 + (x / reach).square()).sqrt()
