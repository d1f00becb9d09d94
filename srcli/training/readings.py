"""Numbers of steps that are read late, so that no step waits for the device."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from srcli.training.optimizer import Diverged, check_finite

Values = Mapping[str, "float | Tensor"]


class Readings:
    """Numbers that stay on the device of a run until `read`.

    late: whether they stay there; on a CPU they are there already.
    """

    def __init__(self, late: bool) -> None:
        self.late = late
        self._checks: list[tuple[str, Tensor, int]] = []
        self._steps: list[dict[str, float | Tensor]] = []

    def check(self, what: str, value: Tensor, step: int) -> None:
        """Raise Diverged where a number of a step is not finite: now, or in `read`."""
        if self.late:
            self._checks.append((what, value.detach(), step))
        else:
            check_finite(what, value, step)

    def add(self, values: Values) -> None:
        """The values of a step that are logged."""
        self._steps.append({k: v.detach() if isinstance(v, Tensor) else v for k, v in values.items()})

    def read(self) -> list[dict[str, float]]:
        """The values of all steps since the last reading. Raises Diverged for the first number that was not finite."""
        checks, steps = self._checks, self._steps
        self._checks, self._steps = [], []
        waiting = [v for step in steps for v in step.values() if isinstance(v, Tensor)]
        told = iter(_numbers([*(value for _, value, _ in checks), *waiting]))
        for what, _, step in checks:
            if not math.isfinite(number := next(told)):
                raise Diverged(f"{what} is {number} at step {step}; lower the learning rate")
        return [{k: next(told) if isinstance(v, Tensor) else v for k, v in step.items()} for step in steps]


def _numbers(values: list[Tensor]) -> list[float]:
    """Scalars in one transfer."""
    if not values:
        return []
    where = values[0].device
    return torch.stack([v.float().reshape(()).to(where, non_blocking=True) for v in values]).tolist()
