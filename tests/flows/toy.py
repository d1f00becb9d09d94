"""The reference's toy network of a flow map, and its numbers."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from srcli.flows import flow_maps as flow_map

W = 3.5
SIGMA = 0.005
EXACT = {"atol": 1e-9, "rtol": 1e-9}


class Toy:
    """The fixture's network in float64 (`description.json`)."""

    def __init__(self, folder: Path) -> None:
        here = folder / "parity" / "flowmap"
        self.given, self.wanted = load_file(here / "in/inputs.safetensors"), load_file(here / "out/outputs.safetensors")
        self.weights = load_file(here / "weights/toy.safetensors")
        self.x = flow_map.interpolant(self.given["lr"], self.given["hr"], self.s)

    @property
    def s(self) -> Tensor:
        return self.given["s"]

    @property
    def t(self) -> Tensor:
        return self.given["t"]

    @property
    def velocity(self) -> Tensor:
        return self.given["hr"] - self.given["lr"]

    def u(self, prompt: str = "pos") -> flow_map.Field:
        w, y, c = self.weights, self.given[prompt], self.given["lr"]

        def field(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
            e = torch.stack([s, t, (3 * s).sin(), (3 * (t - s)).sin()], 1)
            scale, shift = (e @ w["tm.weight"].T + w["tm.bias"] + y @ w["cond.weight"].T).chunk(2, 1)
            h = F.conv2d(torch.cat([x, c], 1), w["c1.weight"], w["c1.bias"], padding=1)
            h = F.silu(h * (1 + across2(scale)) + across2(shift))
            return F.conv2d(h, w["c2.weight"], w["c2.bias"], padding=1)

        return field

    def log_weight(self) -> Tensor:
        w = self.weights
        hidden = (torch.stack([self.s, self.t], 1) @ w["w1.weight"].T + w["w1.bias"]).tanh()
        return (hidden @ w["w2.weight"].T + w["w2.bias"]).squeeze(1)

    def close(self, name: str, value: Tensor) -> None:
        torch.testing.assert_close(value.detach().reshape(self.wanted[name].shape), self.wanted[name], **EXACT)


def across2(values: Tensor) -> Tensor:
    return values[:, :, None, None]
