"""AdamW, and Muon for the kernels of hidden layers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.errors import SrcliError
from srcli.networks.trainable import Trainable
from srcli.training.recipe import OptimSpec


class Diverged(SrcliError):
    """A run whose numbers are no longer finite."""


def learning_rate_share(spec: OptimSpec, step: int) -> float:
    """Linear warm-up, then a half cosine from 1 down to `final`, as a share of the peak."""
    if step < spec.warmup:
        return (step + 1) / spec.warmup
    progress = min(1.0, (step - spec.warmup) / max(1, spec.steps - spec.warmup))
    return spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * progress))


class Float32Muon(torch.optim.Optimizer):
    """torch's Muon (Jordan et al. 2024) with its Newton-Schulz iteration in float32.

    torch iterates in bfloat16, which most CPUs emulate: a step of a small network takes 30 times as long there.
    """

    COEFFICIENTS = (3.4445, -4.7750, 2.0315)
    STEPS = 5
    MOMENTUM = 0.95

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                momentum = state["momentum_buffer"].lerp_(parameter.grad, 1 - self.MOMENTUM)
                update = self._orthogonal(parameter.grad.lerp(momentum, self.MOMENTUM))
                rate = group["lr"] * math.sqrt(max(1.0, len(parameter) / parameter[0].numel()))
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=rate)

    def _orthogonal(self, matrix: Tensor) -> Tensor:
        """The matrix with all singular values near 1."""
        a, b, c = self.COEFFICIENTS
        x = matrix.T if len(matrix) > matrix.shape[1] else matrix
        x = x / x.norm().clamp_min(1e-7)
        for _ in range(self.STEPS):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.T if len(matrix) > matrix.shape[1] else x


def _muon(parameters: list[nn.Parameter], spec: OptimSpec, factor: float) -> torch.optim.Optimizer:
    """torch's Muon where bfloat16 is computed natively, else the one in float32."""
    native = runtime.best_precision(parameters[0].device)[0] == "bf16"
    kind = torch.optim.Muon if native else Float32Muon
    return kind(parameters, lr=spec.matrix_lr * factor, weight_decay=spec.weight_decay)


class Optimizer:
    """One network's optimizers.

    factor: how many times as fast it learns as `spec` says.

    `muon` sends the kernels of hidden layers to torch's Muon (Jordan et al. 2024), which takes 2-D parameters only:
    kernels are shown to it as (out, in * kh * kw) views of the same storage. Kernels on RGB, outputs
    (`Trainable.outputs`), biases and the flow's own matrices are left to AdamW.
    """

    def __init__(self, network: nn.Module, spec: OptimSpec, factor: float = 1.0) -> None:
        self.spec = spec
        named = {name: p for name, p in network.named_parameters() if p.requires_grad}
        parameters, outputs = list(named.values()), network.outputs if isinstance(network, Trainable) else ()
        hidden = [p for name, p in named.items() if not name.startswith(outputs)]
        wide = [p for p in hidden if p.ndim == 4 and min(p.shape[:2]) > 3] if spec.name == "muon" else []
        chosen = {id(p) for p in wide}
        self.kernels = [(p, nn.Parameter(p.detach().view(len(p), -1))) for p in wide]
        rest = [p for p in parameters if id(p) not in chosen]
        self.parameters = parameters
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=spec.lr * factor, betas=(spec.beta1, 0.99), weight_decay=spec.weight_decay)
        ]
        if wide:
            views = [view for _, view in self.kernels]
            self.parts.append(_muon(views, spec, factor))
        self.peaks = [part.param_groups[0]["lr"] for part in self.parts]

    def step(self, loss: Tensor, step: int) -> None:
        for part, peak in zip(self.parts, self.peaks, strict=True):
            part.param_groups[0]["lr"] = peak * learning_rate_share(self.spec, step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.spec.clip)
        if not torch.isfinite(norm):
            raise Diverged(f"the gradient is {norm.item()} at step {step}; lower the learning rate")
        for parameter, view in self.kernels:
            view.grad = None if parameter.grad is None else parameter.grad.reshape(view.shape)
        for part in self.parts:
            part.step()
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        return {
            f"{number}/{index}/{key}": torch.as_tensor(value)
            for number, part in enumerate(self.parts)
            for index, entry in part.state_dict()["state"].items()
            for key, value in entry.items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        for number, part in enumerate(self.parts):
            entries: dict[int, dict[str, Tensor]] = {}
            for name, value in state.items():
                owner, index, key = name.split("/", 2)
                if int(owner) == number:
                    entries.setdefault(int(index), {})[key] = value
            part.load_state_dict({"state": entries, "param_groups": part.state_dict()["param_groups"]})
