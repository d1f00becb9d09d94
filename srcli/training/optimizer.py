"""AdamW, and Muon for the kernels of hidden layers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.errors import SrcliError
from srcli.networks.trainable import Trainable
from srcli.training.muon import Muon
from srcli.training.recipe import OptimSpec

GPUS = ("cuda", "xpu")  # whose AdamW is one kernel, and which like channels last


class Diverged(SrcliError):
    """A run whose numbers are no longer finite."""


def learning_rate_share(spec: OptimSpec, step: int) -> float:
    """Linear warm-up, then a half cosine from 1 down to `final`, as a share of the peak."""
    if step < spec.warmup:
        return (step + 1) / spec.warmup
    progress = min(1.0, (step - spec.warmup) / max(1, spec.steps - spec.warmup))
    return spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * progress))


def check_finite(what: str, value: Tensor, step: int) -> None:
    """Raise Diverged for a number that is not finite, now: a GPU is waited for."""
    if not torch.isfinite(value):
        raise Diverged(f"{what} is {value.item()} at step {step}; lower the learning rate")


class Optimizer:
    """One network's optimizers.

    factor: how many times as fast it learns as `spec` says.
    fused: whether AdamW is one kernel; None for GPUs alone.

    `muon` sends the kernels of hidden layers to Muon (Jordan et al. 2024), as matrices (out, in * kh * kw). Kernels on
    RGB, outputs (`Trainable.outputs`), biases and the flow's own matrices are left to AdamW.
    """

    def __init__(self, network: nn.Module, spec: OptimSpec, factor: float = 1.0, *, fused: bool | None = None) -> None:
        self.spec = spec
        named = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.parameters, outputs = list(named.values()), network.outputs if isinstance(network, Trainable) else ()
        hidden = [p for name, p in named.items() if not name.startswith(outputs)]
        wide = [p for p in hidden if p.ndim == 4 and min(p.shape[:2]) > 3] if spec.name == "muon" else []
        chosen = {id(p) for p in wide}
        rest = [p for p in self.parameters if id(p) not in chosen]
        self.fused = all(p.device.type in GPUS for p in self.parameters) if fused is None else fused
        self.adam = torch.optim.AdamW(
            rest,
            lr=spec.lr * factor,
            betas=(spec.beta1, 0.99),
            weight_decay=spec.weight_decay,
            fused=self.fused or None,
        )
        self.parts: list[torch.optim.Optimizer] = [self.adam]
        if wide:
            native = runtime.best_precision(wide[0].device)[0] == "bf16"
            precision = torch.bfloat16 if native else torch.float32
            self.parts.append(Muon(wide, spec.matrix_lr * factor, spec.weight_decay, precision))
        self.peaks = [part.param_groups[0]["lr"] for part in self.parts]

    def step(
        self,
        loss: Tensor,
        step: int,
        *,
        see: Callable[[str, Tensor, int], None] = check_finite,
        gate: Tensor | None = None,
    ) -> None:
        """Learn from a loss.

        see: told the norm of the gradient, with a name and the step.
        gate: whether the network learns now, a boolean. Fused AdamW reads it on the device; else it is waited for.
        """
        if gate is not None and not self._gated(gate) and not gate:
            return
        for part, peak in zip(self.parts, self.peaks, strict=True):
            part.param_groups[0]["lr"] = peak * learning_rate_share(self.spec, step)
        loss.backward()
        see("the gradient", nn.utils.clip_grad_norm_(self.parameters, self.spec.clip), step)
        for part in self.parts:
            part.step()
        for parameter in self.parameters:
            parameter.grad = None

    def _gated(self, gate: Tensor) -> bool:
        """Leave the gate to AdamW, if it alone steps and can: as it is told of gradients that a scaler found infinite
        (`torch.amp.GradScaler`)."""
        if not self.fused or len(self.parts) > 1:
            return False
        self.adam.found_inf = (~gate).float()  # type: ignore[attr-defined]
        return True

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
