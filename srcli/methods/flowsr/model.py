"""FlowSR in pixels: the velocity of a rectified flow, which needs few steps because its path is nearly straight."""

from __future__ import annotations

from torch import Tensor

from srcli.methods.flowsr.path import PathModel
from srcli.tiling.model import Sampling


class FlowsrModel(PathModel):
    """The network is told the time and, below 1, the wanted detail."""

    def velocity(self, x: Tensor, t: float, s: float, sampling: Sampling) -> Tensor:
        detail = None if sampling.detail == 1 else x.new_full((1,), sampling.detail)
        return self.network(x, x.new_full((1,), t), detail=detail)
