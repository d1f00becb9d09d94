"""Muon for kernels of any memory format, all of one shape at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024): momentum whose matrix, (out, all else), gets singular values near 1.

    torch's own takes 2-D parameters one by one. Here kernels of any number of axes stay as they are, and those whose
    matrices have one shape are iterated together.

    precision: of the Newton-Schulz iteration. torch iterates in bfloat16, which most CPUs emulate: a step of a small
    network takes 30 times as long there.
    """

    COEFFICIENTS = (3.4445, -4.7750, 2.0315)
    STEPS = 5
    MOMENTUM = 0.95

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault((len(parameter), parameter[0].numel()), []).append(parameter)
            for (rows, columns), parameters in shapes.items():
                rate, decay = group["lr"] * math.sqrt(max(1.0, rows / columns)), group["lr"] * group["weight_decay"]
                # A CPU's cache holds one matrix at a time.
                for some in [[p] for p in parameters] if parameters[0].is_cpu else [parameters]:
                    self._move(some, rate, decay)

    def _move(self, parameters: list[Tensor], rate: float, decay: float) -> None:
        """Update parameters whose matrices have one shape."""
        matrices = self._momentum(parameters)
        if decay:
            torch._foreach_mul_(parameters, 1 - decay)
        if len(matrices) == 1:
            parameters[0].add_(self._orthogonal(matrices[0]).reshape(parameters[0].shape), alpha=-rate)
            return
        together = self._orthogonal(torch.stack(matrices)).to(matrices[0].dtype)
        moves = [update.reshape(p.shape) for update, p in zip(together, parameters, strict=True)]
        torch._foreach_add_(parameters, moves, alpha=-rate)

    def _momentum(self, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Nesterov's momentum as matrices, (rows, columns)."""
        gradients = [p.grad.reshape(len(p), -1) for p in parameters if p.grad is not None]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if "momentum_buffer" not in self.state[parameter]:
                zeros = torch.zeros_like(gradient, memory_format=torch.contiguous_format)
                self.state[parameter]["momentum_buffer"] = zeros
        momenta = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - self.MOMENTUM)
        return tuple(torch._foreach_lerp(gradients, momenta, self.MOMENTUM))

    def _orthogonal(self, matrices: Tensor) -> Tensor:
        """One matrix or several of a shape, (..., rows, columns), with all singular values near 1."""
        a, b, c = self.COEFFICIENTS
        product = torch.addmm if matrices.ndim == 2 else torch.baddbmm
        tall = matrices.shape[-2] > matrices.shape[-1]
        x = matrices.to(self.precision)
        x = x.mT if tall else x
        x = x / torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True).clamp_min(1e-7)
        for _ in range(self.STEPS):
            gram = x @ x.mT
            x = product(x, product(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        return x.mT if tall else x
