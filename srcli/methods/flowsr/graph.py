"""A velocity network as a graph: the enlarged picture in, the end of its path out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.flowsr.path import RIM
from srcli.tiling.graph import Graph, Input, example

ENLARGED = "(1, 3, H, W) float32, RGB in [0, 1], sRGB: the picture, enlarged by bicubic interpolation"
RESULT = "(1, 3, H, W) float32, RGB in about [0, 1]: to be clipped"
SIDES = {2: "H", 3: "W"}


class FlowsrGraph(nn.Module):
    """All steps of `FlowsrModel` on a whole picture."""

    def __init__(self, model: FlowsrModel, steps: int) -> None:
        super().__init__()
        self.network, self.steps = model.network, steps

    def forward(self, picture: Tensor, detail: Tensor) -> Tensor:
        x = canvas(picture, self.network.align) * 2 - 1
        for k in range(self.steps):
            x = x - self.network(x, x.new_full((1,), 1 - k / self.steps), detail=detail) / self.steps
        return shown(x, picture) * 0.5 + 0.5


def canvas(picture: Tensor, align: int) -> Tensor:
    """A picture (1, 3, H, W) with its mirrored rim, in whole positions of a network."""
    for dim in (2, 3):
        n = picture.shape[dim]
        positions = torch.arange((n + 2 * RIM + align - 1) // align * align) - RIM
        # As `resampling.mirrored`, but the exporter has no remainder by a number that it does not know.
        length = torch.full_like(positions, n)
        turned = positions.remainder(2 * length)
        picture = picture.index_select(dim, torch.minimum(turned, 2 * length - 1 - turned))
    return picture


def shown(x: Tensor, picture: Tensor) -> Tensor:
    """A canvas without its rim, as large as the picture."""
    return x[..., RIM : RIM + picture.shape[2], RIM : RIM + picture.shape[3]]


def graph(model: FlowsrModel, steps: int) -> Graph:
    """The graph of FlowSR with so many steps."""
    return Graph(
        module=FlowsrGraph(model, steps),
        inputs={
            "picture": Input(example=example(72, 60), sides=SIDES, means=ENLARGED),
            "detail": Input(example=torch.ones(1), sides={}, means="(1,) float32, 0 (faithful) to 1 (sharp)"),
        },
        result=RESULT,
        sides=SIDES,
        facts={"steps": steps, "radius": steps * model.network.radius, "align": model.network.align},
    )
