"""LINF as a graph: the small picture and the centres of the output's patches in, those patches out.

The centres are an input, not the size of the output: a program may ask for a part of it, from a part of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.queries import Queries, grid_queries
from srcli.networks.patches import from_patches, grid, rows
from srcli.resampling import LinearTaps
from srcli.tiling.graph import Graph, Input, example

PICTURE = "(1, 3, h, w) float32, RGB in [0, 1], sRGB: the small picture"
CENTRES = (
    "({n},) float64: centres of the {what} of patches in pixels of the small picture, whose first pixel's centre is 0; "
    "(patch * (k + 0.5)) / scale - 0.5 for k from 0 to ceil(side / patch) - 1"
)
SCALE = "(2,) float64: scales of height and width, 1 to 8"
DETAIL = "(1,) float32, 0 (faithful) to 1 (sharp)"
LATENT = "(1, {dim}, n, m) float32: the latent, standard normal noise times the temperature; zeros for the mean"
RESULT = "(1, 3, patch * n, patch * m) float32, RGB in about [0, 1]: to be clipped, and cut to the output's size"


class LinfGraph(nn.Module):
    """`LinfModel` on tensors alone. The last input is the detail where there is a prior, else the latent."""

    def __init__(self, model: LinfModel) -> None:
        super().__init__()
        self.linf, self.prior, self.notch, self.flow = model.linf, model.prior, model.notch, model.flow

    def forward(self, picture: Tensor, down: Tensor, across: Tensor, scale: Tensor, last: Tensor) -> Tensor:
        h, w = picture.shape[-2:]
        encoded = self.linf.encoder(picture * 2 - 1)
        queries = _queries(_taps(down, h), _taps(across, w), w, (2 / scale).float()[None])
        hidden, condition = self.linf.condition(self.linf.fourier(self.linf.waves(encoded), queries))
        z = last
        if self.prior is not None:
            z = self.prior.raw(grid(hidden, queries.shape), queries.cell) * self._gain(scale) * last
        residual = self.flow.inverse(rows(z), self.flow.stretch(condition))
        patches = self.notch(residual.view(*queries.shape, -1)).permute(0, 3, 1, 2)
        return self._base(picture, encoded, down, across, scale) + from_patches(patches, self.linf.patch) / 2

    def _base(self, picture: Tensor, encoded: Tensor, down: Tensor, across: Tensor, scale: Tensor) -> Tensor:
        """The upsampling of every pixel: bilinear, and the anchors' residuals by their shares."""
        (h, w), anchors = picture.shape[-2:], self.linf.anchors
        y, x = _pixels(down, scale[0], self.linf.patch), _pixels(across, scale[1], self.linf.patch)
        base = _sampled(picture, _taps(y, h), _taps(x, w))
        factors = [int(k) for k in anchors]
        for n, k in enumerate(factors):
            residual = F.pixel_shuffle(anchors[str(k)](encoded), k)
            rows, cols = (_taps((u + 0.5) * k - 0.5, k * low) for u, low in ((y, h), (x, w)))
            base = base + _sampled(residual, rows, cols) * (_share(scale, factors, n) / 2)
        return base

    def _gain(self, scale: Tensor) -> Tensor:
        """The factor of the latent at a scale, ()."""
        assert self.prior is not None
        scales, factors = self.prior.gains.tolist()
        return torch.stack([_share(scale, scales, n) * factor for n, factor in enumerate(factors)]).sum()


def _taps(u: Tensor, low: int) -> LinearTaps:
    """As `linear_taps`, of places (n,) on an axis of `low` pixels. Nothing reads the cell."""
    first = u.floor()
    fraction = u - first
    index = torch.stack([first, first + 1]).long().clamp(0, low - 1)
    relative = torch.stack([fraction, fraction - 1]) * 2
    return LinearTaps(index, relative.float(), torch.stack([1 - fraction, fraction]).float(), math.nan)


def _pixels(centres: Tensor, scale: Tensor, patch: int) -> Tensor:
    """The places of all pixels of patches (n * patch,)."""
    return (centres[:, None] + (torch.arange(patch) - (patch - 1) / 2) / scale).flatten()


def _queries(down: LinearTaps, across: LinearTaps, width: int, cell: Tensor) -> Queries:
    """Those of one window. cell: (1, 2)."""
    return replace(grid_queries([down], [across], (0, width)), cell=cell)


def _sampled(image: Tensor, rows: LinearTaps, cols: LinearTaps) -> Tensor:
    """As `interpolate`, which reads numbers from its tensors."""
    across = [image.index_select(3, cols.index[n]) * cols.weight[n] for n in (0, 1)]
    wide = across[0] + across[1]
    down = [wide.index_select(2, rows.index[n]) * rows.weight[n][:, None] for n in (0, 1)]
    return down[0] + down[1]


def _share(scale: Tensor, knots: Sequence[float], n: int) -> Tensor:
    """The share () of knot n in the linear interpolation between increasing knots at the mean scale. Beyond them, the
    outermost alone counts."""
    mean, knot = scale.prod().sqrt().float(), knots[n]
    share = torch.ones_like(mean)
    if n > 0:
        share = torch.minimum(share, (mean - knots[n - 1]) / (knot - knots[n - 1]))
    if n < len(knots) - 1:
        share = torch.minimum(share, (knots[n + 1] - mean) / (knots[n + 1] - knot))
    return share.clamp_min(0)


def graph(model: LinfModel, steps: int) -> Graph:
    """The graph of LINF, which takes no steps."""
    patch, dim, prior = model.patch, model.flow.dim, model.prior
    centres = (torch.arange(25, dtype=torch.float64) * patch + patch / 2) / 2.5 - 0.5
    inputs = {
        "picture": Input(example=example(28, 30), sides={2: "h", 3: "w"}, means=PICTURE),
        "down": Input(example=centres, sides={0: "n"}, means=CENTRES.format(n="n", what="rows")),
        "across": Input(example=centres[:23], sides={0: "m"}, means=CENTRES.format(n="m", what="columns")),
        "scale": Input(example=torch.full((2,), 2.5, dtype=torch.float64), sides={}, means=SCALE),
    }
    if prior is not None:
        inputs["detail"] = Input(example=torch.ones(1), sides={}, means=DETAIL)
    else:
        latent = example(25, 23)[:, :1].expand(-1, dim, -1, -1).contiguous()
        inputs["latent"] = Input(example=latent, sides={2: "n", 3: "m"}, means=LATENT.format(dim=dim))
    facts = {
        "patch": patch,
        "radius": model.linf.radius,
        "patch_radius": model.notch.radius + (0 if prior is None else prior.radius),
        "patch_align": 1 if prior is None else prior.align,
    }
    sides = {2: f"{patch}*n", 3: f"{patch}*m"}
    return Graph(module=LinfGraph(model), inputs=inputs, result=RESULT, sides=sides, facts=facts)
