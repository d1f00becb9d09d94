"""LINF and LINF-LP exactly as published, quirks included, for official checkpoints and the proof of parity.

What a clean implementation would do otherwise: patches whose centre lies in the padding ask the centre of the image;
paired test sets are padded even where nothing is missing; at odd scales the initial latent is rounding noise. The
latent modules see the whole map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.flow import FixedFlow
from srcli.networks.linf import LINF, from_patches, rows, to_patches
from srcli.networks.queries import Queries, official_coordinates, official_queries

QUERIES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class LatentPath:
    """The steps of LINF-LP up to the latent. Maps are (1, D, h, w) on the patch grid, coord (1, h, w, 2)."""

    coord: Tensor
    initial: Tensor
    z_lr: Tensor
    z: Tensor
    stretched: Tensor  # (h * w, layers * 2 * D), the flow's condition after `FixedFlow.stretch`


class OfficialLinf:
    """(1, 3, h, w) in [0, 1] to (1, 3, H, W) in [0, 1], in one piece.

    always_pad: pad by 3 - size % 3 even where size % 3 is 0, as the wrappers for paired test sets do.
    """

    def __init__(self, linf: LINF, prior: nn.Module | None = None, *, always_pad: bool = False) -> None:
        self.linf, self.prior, self.always_pad = linf, prior, always_pad
        self.flow = FixedFlow(linf.imnet)

    def latents(self, lr: Tensor, height: int, width: int) -> LatentPath:
        """The path from the LR image to the predicted latent."""
        if self.prior is None:
            raise ValueError("this model has no latent module")
        inp = lr * 2 - 1
        queries, coord = self._queries(inp, height, width)
        stretched = self._stretched(self.linf.encode(inp), queries)
        up = F.interpolate(inp, (height, width), mode="bilinear", align_corners=False)
        down = F.interpolate(up, inp.shape[-2:], mode="bilinear", align_corners=False)
        lost = up - F.interpolate(down, (height, width), mode="bilinear", align_corners=False)
        initial = to_patches(F.pad(lost, self._padding(height, width)), self.linf.patch)
        z_lr = self.flow.latent(rows(initial), stretched).view(*queries.shape, -1).permute(0, 3, 1, 2)
        return LatentPath(coord, initial, z_lr, self.prior(z_lr, inp).float(), stretched)

    def _stretched(self, maps: Tensor, queries: Queries) -> Tensor:
        """The flow's condition of all queries, band by band: the features of a band stay in the cache."""
        parts = [t.split(QUERIES_AT_ONCE) for t in (queries.index, queries.relative, queries.weight)]
        out = maps.new_empty(len(queries.index), self.flow.conditions, dtype=torch.float32)
        bands = zip(out.split(QUERIES_AT_ONCE), *parts, strict=True)
        for band, index, relative, weight in bands:
            some = replace(queries, index=index, relative=relative, weight=weight)
            band.copy_(self.linf.condition(self.linf.fourier(maps, some))[1])
            self.flow.stretch(band)
        return out

    def upscale(self, lr: Tensor, height: int, width: int) -> Tensor:
        """The picture of the predicted latent, clamped."""
        path = self.latents(lr, height, width)
        x = self.flow.inverse(rows(path.z), path.stretched)
        patches = x.view(1, *path.z.shape[-2:], -1).permute(0, 3, 1, 2)
        residual = from_patches(patches, self.linf.patch)[..., :height, :width]
        base = F.interpolate(lr * 2 - 1, (height, width), mode="bilinear", align_corners=False)
        return ((base + residual) * 0.5 + 0.5).clamp(0, 1)

    def _padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        p = self.linf.patch
        if p == 1:
            return (0, 0, 0, 0)
        bottom, right = ((p - n % p) if self.always_pad else -n % p for n in (height, width))
        return (0, right, 0, bottom)

    def _queries(self, inp: Tensor, height: int, width: int) -> tuple[Queries, Tensor]:
        p = self.linf.patch
        axes = (official_coordinates(height), official_coordinates(width))
        coord = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        # The padding has coordinate (0, 0): such a patch asks the centre of the image.
        _, right, _, bottom = self._padding(height, width)
        middle = (p - 1) // 2
        coord = F.pad(coord, (0, 0, 0, right, 0, bottom))[middle::p, middle::p][None]
        cell = torch.tensor([[2 / height, 2 / width]])
        return official_queries(coord, cell, (inp.shape[2], inp.shape[3])), coord
