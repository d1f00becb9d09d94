"""The conditional affine flow of LINF (Yao et al. 2023, section 3.2): dense linear layers and affine injectors.

Given its condition, each layer is affine in z, so the flow is a conditional Gaussian with a full covariance:
x = mean(a) + A(a) z. Its mean is the inverse of z = 0; a learned prior moves z within that covariance. A centred flow
has no shifts: its mean is 0, and what it models must be centred by something else.

The inverse divides by a scale between 1e-4 and 1 in each layer, and on pictures unlike those it learned from the
product explodes: stretches of 9,400 in a layer, residuals of 1e14. A centred flow is therefore bounded, smoothly and in
training too: the stretch of a layer (`STRETCH`), and the residual that its inverse answers with (`RESIDUAL`). Its
density keeps its tails, since real residuals go beyond what it may answer. Flows with shifts are those of the paper and
stay as published.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.flows.normalizing import (
    affine_log_det,
    change_of_variables,
    linear_log_det,
    scale_of,
    soft_limit,
    soft_upper_limit_,
)


@dataclass(frozen=True, slots=True)
class SoftLimit:
    """`soft_limit` with these numbers."""

    knee: float
    most: float

    def __call__(self, x: Tensor) -> Tensor:
        return soft_limit(x, self.knee, self.most)

    def upper_(self, x: Tensor) -> Tensor:
        """The same of x of 0 and more, in its place; returns it."""
        return soft_upper_limit_(x, self.knee, self.most)


# Of a layer, and of the residual in [-1, 1]. What they change on photographs: `benchmarks/quality/guard.py --before`.
STRETCH = SoftLimit(6.0, 9.0)
RESIDUAL = SoftLimit(0.2, 0.3)
EXPLODED = 2.0  # a residual as large as the range of the picture, before it is bounded, counts as exploded


class Linear(nn.Module):
    """z = W x + b with an invertible W; (N, D) to (N, D)."""

    bias: Tensor | None

    def __init__(self, dim: int, bias: bool = True) -> None:
        super().__init__()
        # Rotations that stretch a little: well conditioned, and residuals of about 0.1 start near unit variance.
        self._weight = nn.Parameter(1.5 * torch.linalg.qr(torch.randn(dim, dim))[0])
        self.register_parameter("bias", nn.Parameter(torch.zeros(dim)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight, self.bias)


class Flow(nn.Module):
    """Flow over D = 3 p^2 values per query.

    `condition` is (N, conditions): per layer D scale logits, then D shifts unless the flow is centred.
    """

    def __init__(self, layers: int = 10, patch: int = 3, centred: bool = False) -> None:
        super().__init__()
        self.layers, self.dim, self.centred = layers, 3 * patch * patch, centred
        self.conditions = layers * (1 if centred else 2) * self.dim
        self.linears = nn.ModuleList(Linear(self.dim, bias=not centred) for _ in range(layers))
        self.last = Linear(self.dim, bias=not centred)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """LINF, Yao et al. 2023, section 3.2, conditional flow: z <- (W z + b) scale + shift, and log p(x).

        x: (N, D). condition: the scale logits and shifts of each layer, (N, conditions). Returns (N, D) and, in nats,
        (N,).
        """
        z, affine = x, self._affine(condition)
        log_det = z.new_zeros(())
        for i, linear in enumerate(self.linears):
            scale, shift = affine(i)
            z = linear(z) * scale + shift
            log_det = log_det + linear_log_det(linear._weight) + affine_log_det(scale)  # type: ignore[arg-type]
        z = self.last(z)
        log_det = log_det + linear_log_det(self.last._weight)
        return z, change_of_variables(z, log_det)

    def inverse(self, z: Tensor, condition: Tensor) -> Tensor:
        """LINF, Yao et al. 2023, section 3.2, conditional flow: x = f^-1(z), layer by layer, last first.

        z: (N, D), 0 for the mean. condition: as in `forward`. Returns (N, D), bounded where the flow is centred.
        """
        inverses = self.inverse_weights()
        affine = self._affine(condition)
        biases = self._biases()
        x = (z - biases[-1]) @ inverses[-1].t()
        for i in reversed(range(self.layers)):
            scale, shift = affine(i)
            x = ((x - shift) / scale - biases[i]) @ inverses[i].t()
        return RESIDUAL(x) if self.centred else x

    def inverse_weights(self) -> Tensor:
        """Inverses of all linear layers, (layers + 1, D, D), computed in float64."""
        weights = self._weights()
        wide = weights if weights.device.type == "mps" else weights.double()  # MPS has no float64
        return torch.linalg.inv(wide).to(weights)

    def _weights(self) -> Tensor:
        return torch.stack([linear._weight for linear in (*self.linears, self.last)])

    def _biases(self) -> Tensor:
        if self.centred:
            return self.last._weight.new_zeros(self.layers + 1, self.dim)
        return torch.stack([linear.bias for linear in (*self.linears, self.last)])

    def _affine(self, condition: Tensor) -> Callable[[int], tuple[Tensor, Tensor | float]]:
        pieces = self._pieces(condition)

        def layer(i: int) -> tuple[Tensor, Tensor | float]:
            scale = scale_of(pieces[:, i, 0])
            return (1 / STRETCH(1 / scale), 0.0) if self.centred else (scale, pieces[:, i, 1])

        return layer

    def _pieces(self, condition: Tensor) -> Tensor:
        if condition.shape[-1] != self.conditions:
            raise ValueError(f"expected (N, {self.conditions}) as condition, got {tuple(condition.shape)}")
        return condition.view(-1, self.layers, 1 if self.centred else 2, self.dim)


class FixedFlow:
    """A flow whose weights no longer change, ready for inference: inverses and offsets computed once, scales once per
    condition. Everything is float32, under autocast too.
    """

    def __init__(self, flow: Flow) -> None:
        self.layers, self.dim = flow.layers, flow.dim
        self.conditions, self.centred = flow.conditions, flow.centred
        self._split = flow._pieces
        self.forward_t = flow._weights().detach().transpose(1, 2).contiguous()
        self.inverse_t = flow.inverse_weights().detach().transpose(1, 2).contiguous()
        self.biases = flow._biases().detach()
        # (x - b) W^-T = x W^-T - b W^-T
        self.offset = -(self.biases[:, None] @ self.inverse_t)[:, 0]

    def to(self, device: torch.device | str) -> FixedFlow:
        """Moves the matrices, which were made where the flow was; returns itself."""
        for name in ("forward_t", "inverse_t", "biases", "offset"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def stretch(self, condition: Tensor) -> Tensor:
        """Replaces the scale logits in `condition` (N, conditions), in place, by the factors by which the inverse
        stretches: the reciprocals of the flow's scales. Returns it; the methods below want it so."""
        logits = self._split(condition)[:, :, 0]
        # Not torch.sigmoid: the ends of its vector loops round differently, and tiles would differ from the whole.
        logits.neg_().sub_(2).exp_().add_(1).reciprocal_().add_(1e-4).reciprocal_()
        if self.centred:
            STRETCH.upper_(logits)
        return condition

    def mean(self, stretched: Tensor) -> Tensor:
        """The inverse (N, D) of z = 0."""
        return self.bounded(self._through(self.offset[-1].expand(len(stretched), -1), stretched))

    def inverse(self, z: Tensor, stretched: Tensor) -> Tensor:
        """x (N, D) of the latent z (N, D)."""
        return self.bounded(self.unbounded(z, stretched))

    def unbounded(self, z: Tensor, stretched: Tensor) -> Tensor:
        """The inverse before its residual is bounded."""
        with _float32(z):
            return self._through(torch.addmm(self.offset[-1], z, self.inverse_t[-1]), stretched)

    def bounded(self, x: Tensor) -> Tensor:
        """What `unbounded` gives, bounded where the flow is."""
        return RESIDUAL(x) if self.centred else x

    def _through(self, x: Tensor, stretched: Tensor) -> Tensor:
        pieces = self._split(stretched)
        with _float32(x):
            for i in reversed(range(self.layers)):
                if self.centred:
                    x = (x * pieces[:, i, 0]) @ self.inverse_t[i]
                else:
                    x = torch.addmm(self.offset[i], (x - pieces[:, i, 1]).mul_(pieces[:, i, 0]), self.inverse_t[i])
        return x

    def latent(self, x: Tensor, stretched: Tensor) -> Tensor:
        """The latent (N, D) of x (N, D): the flow forwards, without its log-determinant."""
        pieces = self._split(stretched)
        with _float32(x):
            for i in range(self.layers):
                x = torch.addmm(self.biases[i], x, self.forward_t[i]).div_(pieces[:, i, 0])
                if not self.centred:
                    x.add_(pieces[:, i, 1])
            return torch.addmm(self.biases[-1], x, self.forward_t[-1])


def _float32(like: Tensor) -> AbstractContextManager:
    """Outside autocast."""
    return torch.autocast(like.device.type, enabled=False)
