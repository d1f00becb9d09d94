"""LINF: a local implicit normalizing flow (Yao et al., CVPR 2023) for patches of p x p output pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.methods.linf.anchors import Anchors
from srcli.methods.linf.flow import Flow
from srcli.methods.linf.queries import Queries
from srcli.methods.registry import build
from srcli.networks.edsr import rectifier
from srcli.networks.trainable import Trainable


class LINF(Trainable):
    """Encoder, Fourier features, local ensemble, MLP and flow. Key names are the official ones.

    Images are in [-1, 1]; the flow models the residual to the upsampling, D = 3 p^2 values per query with channel
    index c * p^2 + dy * p + dx. The upsampling is bilinear, as published, or that of `anchors` (factors): ours, which
    is the mean of a `centred` flow.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        hidden: int = 256,
        depth: int = 3,
        flow_layers: int = 10,
        patch: int = 3,
        slope: float = 0.0,
        anchors: Iterable[int] = (),
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.patch, self.hidden = patch, hidden
        self.encoder = encoder
        features: int = encoder.features  # type: ignore[assignment]
        self.coef = nn.Conv2d(features, hidden, 3, padding=1)
        self.freq = nn.Conv2d(features, hidden, 3, padding=1)
        self.phase = nn.Linear(2, hidden // 2, bias=False)
        layers: list[nn.Module] = [nn.Conv2d(4 * hidden, hidden, 1), rectifier(slope)]
        for _ in range(depth - 1):
            layers += [nn.Conv2d(hidden, hidden, 1), rectifier(slope)]
        self.imnet = Flow(flow_layers, patch, centred)
        head = nn.Conv2d(hidden, self.imnet.conditions, 1)
        # The same spread everywhere to begin with, around the upsampling.
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        self.layers = nn.Sequential(*layers, head)
        self.anchors = Anchors(features, anchors)
        self.outputs = (f"layers.{len(layers)}", "anchors")

    def float32_parameters(self) -> frozenset[str]:
        """The flow's linear layers: their inverses amplify rounding."""
        return self.parameters_below(self.imnet.linears, self.imnet.last)

    @property
    def radius(self) -> int:
        """LR pixels around its nearest neighbours that influence a query: encoder and one 3x3 convolution."""
        return self.encoder.radius + 1  # type: ignore[operator,return-value]

    def encode(self, inp: Tensor) -> Tensor:
        """Coefficients and frequencies (B, 2 * hidden, h, w) of an image (B, 3, h, w) in [-1, 1]."""
        return self.waves(self.encoder(inp))

    def waves(self, features: Tensor) -> Tensor:
        """Coefficients and frequencies (B, 2 * hidden, h, w) of the encoder's features."""
        weight = torch.cat([self.coef.weight, self.freq.weight])
        bias = torch.cat([self.coef.bias, self.freq.bias])  # type: ignore[list-item]
        return F.conv2d(features, weight, bias, padding=1)

    def fourier(self, maps: Tensor, queries: Queries) -> Tensor:
        """LINF, Yao et al. 2023, eq. 6 to 8: weighted Fourier features of the four neighbours of each query.

        maps: coefficients and frequencies, (B, 2 * hidden, h, w). Returns (N, 4 * hidden).
        """
        table = maps.permute(0, 2, 3, 1).reshape(-1, 2 * self.hidden)
        near = F.embedding(queries.index, table)  # (..., 2 * hidden)
        count, half = queries.shape[0], self.hidden // 2
        with torch.autocast(maps.device.type, enabled=False):
            phase = self.phase(queries.cell.to(maps.device)).float() * math.pi
        # cos and sin in one pass: cos(x) = sin(x + pi / 2)
        phase = torch.stack([phase + math.pi / 2, phase], dim=1)[:, None, None]  # (B, 1, 1, 2, half)
        q, y, x = near[..., self.hidden :], queries.y * math.pi, queries.x * math.pi
        angle = q[..., :half] * y[..., None] + q[..., half:] * x[..., None]
        basis = (angle.view(count, -1, 4, 1, half) + phase).sin().view(*queries.index.shape, self.hidden)
        made = near[..., : self.hidden] * (queries.weight[..., None] * basis).to(maps.dtype)
        return made.view(-1, 4 * self.hidden)

    def condition(self, fourier: Tensor) -> tuple[Tensor, Tensor]:
        """Last hidden activations (N, hidden) and the flow's condition in float32."""
        h = fourier
        *body, head = self.layers.children()
        for layer in body:
            h = F.linear(h, layer.weight[..., 0, 0], layer.bias) if isinstance(layer, nn.Conv2d) else layer(h)
        assert isinstance(head, nn.Conv2d)
        # Shifts of a few units, a residual of a few hundredths: bfloat16 would round the difference away.
        with torch.autocast(h.device.type, enabled=False):
            return h, F.linear(h.float(), head.weight[..., 0, 0].float(), head.bias)


def linf(encoder: Mapping[str, Any], **parameters: Any) -> LINF:
    """LINF from its architecture table, whose encoder is a table too."""
    return LINF(build(encoder), **parameters)
