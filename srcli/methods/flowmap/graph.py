"""A flow map as a graph: the enlarged picture in, the end of its jumps out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowsr.graph import ENLARGED, RESULT, SIDES, canvas, shown
from srcli.methods.registry import Unfit
from srcli.tiling.graph import Graph, Input, example


class FlowmapGraph(nn.Module):
    """All jumps of `FlowmapModel` on a whole picture. The LoRA is merged within the graph, times the detail."""

    def __init__(self, model: FlowmapModel, steps: int) -> None:
        super().__init__()
        self.network, self.lora, self.steps = model.network, model.lora, steps

    def forward(self, picture: Tensor, detail: Tensor | None = None) -> Tensor:
        x = canvas(picture, self.network.align) * 2 - 1
        weights = {} if self.lora is None or detail is None else self.lora.changed(self.network, detail)
        for k in range(self.steps):
            t, s = (x.new_full((1,), 1 - n / self.steps) for n in (k, k + 1))
            x = x - functional_call(self.network, weights, (x, t, s)) / self.steps
        return shown(x, picture) * 0.5 + 0.5


def graph(model: FlowmapModel, steps: int) -> Graph:
    """The graph of a flow map with so many jumps. Raises Unfit for one that begins with noise."""
    if model.network.noise:
        raise Unfit("a flow map that begins with noise cannot be exported")
    inputs = {"picture": Input(example=example(72, 60), sides=SIDES, means=ENLARGED)}
    if model.lora is not None:
        means = "(1,) float32, 0 (the network alone) to 2, 1 as its LoRA was trained"
        inputs["detail"] = Input(example=torch.ones(1), sides={}, means=means)
    facts = {"steps": steps, "radius": steps * model.network.radius, "align": model.network.align}
    return Graph(module=FlowmapGraph(model, steps), inputs=inputs, result=RESULT, sides=SIDES, facts=facts)
