"""LINF, sampled or with the learned prior, at any scale: encode once, decode any window exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.geometry import Size, Window
from srcli.networks.flow import FixedFlow
from srcli.networks.grid_prior import GridPrior
from srcli.networks.interpolation import down_up, interpolate, round_trip
from srcli.networks.linf import LINF, from_patches, to_patches
from srcli.networks.queries import Axis, Queries, axis, grid_queries, patch_centres
from srcli.pipelines.base import Sampling, Scales, gaussian_field

QUERIES_AT_ONCE = 4096  # features of that many queries stay in the cache
# Below these areas PyTorch picks other kernels, which round differently: smaller windows are grown to them, so that
# a tile has the bits of the whole.
LEAST_PIXELS = 7000
LEAST_PATCHES = 1600


@dataclass(frozen=True, slots=True)
class LinfFeatures:
    """What the LR image (1, 3, h, w) gives to queries within `region` of it: coefficient and frequency maps."""

    lr: Tensor
    maps: Tensor
    region: Window


class LinfModel:
    """The clean path: encoder, Fourier features and MLP once for prior and inverse; inverses once at load.

    Rectangles of the patch grid are `Window`s too, in patches.
    """

    scales = Scales(1.0, 8.0)

    def __init__(self, linf: LINF, prior: GridPrior | None = None) -> None:
        self.linf, self.prior = linf, prior
        self.patch = linf.patch
        self.flow = FixedFlow(linf.imnet)

    def to(self, device: torch.device) -> LinfModel:
        """Moves the model; returns itself."""
        self.linf.to(device)
        self.flow.to(device)
        if self.prior is not None:
            self.prior.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image whose features `decode` reads for a window."""
        area = self._area(self._patches(window), size, sampling)
        # From first to last pixel, not patch centre: the initial latent is interpolated at every pixel of a patch.
        ends = (
            torch.tensor([first * self.patch, last * self.patch - 1])
            for first, last in ((area.top, area.bottom), (area.left, area.right))
        )
        rows, cols = (
            axis(positions, n, high).index
            for positions, n, high in zip(ends, (low.height, low.width), (size.height, size.width), strict=True)
        )
        top, left = int(rows.min()), int(cols.min())
        needed = Window(top, left, int(rows.max()) + 1 - top, int(cols.max()) + 1 - left)
        return needed.within(low, least=LEAST_PIXELS)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region, roughly."""
        return region.height * region.width * 4 * (2 * self.linf.hidden + 4 * self.linf.coef.in_channels)

    def decode_bytes(self, pixels: int) -> int:
        """Working memory of decoding a window of that many output pixels, roughly."""
        per_patch = 4 * (self.flow.layers + 5) * self.flow.dim + 4 * 4 * self.linf.hidden
        return pixels * (per_patch // self.patch**2 + 60)

    # --- the picture ---

    def encode(self, lr: Tensor, region: Window | None = None) -> LinfFeatures:
        height, width = lr.shape[-2:]
        region = region or Window(0, 0, height, width)
        # Features inside depend only on pixels within the radius, so cropping the margin is exact.
        part = region.within(Size(height, width), margin=self.linf.radius)
        image = lr[..., part.top : part.bottom, part.left : part.right] * 2 - 1
        maps = self.linf.encode(image.contiguous(memory_format=torch.channels_last))
        y, x = region.top - part.top, region.left - part.left
        return LinfFeatures(lr, maps[..., y : y + region.height, x : x + region.width], region)

    def decode(self, features: LinfFeatures, window: Window, size: Size, sampling: Sampling) -> Tensor:
        core = self._patches(window)
        area = self._area(core, size, sampling)
        patches = self._predict(features, area, size, sampling) if self.prior else None
        if patches is None:
            patches = self._sample(features, area, size, sampling)
        residual = from_patches(patches, self.patch)
        y, x = window.top - area.top * self.patch, window.left - area.left * self.patch
        rows, cols = self._pixels(features, window, size)
        return interpolate(features.lr, rows, cols) + residual[..., y : y + window.height, x : x + window.width] / 2

    def _sample(self, features: LinfFeatures, area: Window, size: Size, sampling: Sampling) -> Tensor:
        """Residual patches (1, D, h, w) of the latent temperature * noise."""
        out = features.lr.new_empty(area.height * area.width, self.flow.dim)
        for part, where, queries in self._blocks(features, area, size):
            _, condition = self.linf.condition(self.linf.fourier(features.maps, queries))
            scales = self.flow.scales(condition)
            out[where] = self.flow.mean(condition, scales)
            if sampling.temperature:
                noise = gaussian_field(sampling.seed, self.flow.dim, part)
                out[where] += self.flow.spread(_rows(noise.to(out.device)[None]) * sampling.temperature, scales)
        return _grid(out, area)

    def _predict(self, features: LinfFeatures, area: Window, size: Size, sampling: Sampling) -> Tensor | None:
        """Residual patches (1, D, h, w) of the latent that the prior predicts; None where it is not wanted."""
        if self.prior is None or sampling.detail == 0:
            return None
        flow, p, count = self.flow, self.patch, area.height * area.width
        lost = self._lost(features, size)
        hidden = features.maps.new_empty(count, self.linf.hidden)
        latent, mean = (features.lr.new_empty(count, flow.dim) for _ in range(2))
        scales = features.lr.new_empty(count, flow.layers, flow.dim)
        for part, where, queries in self._blocks(features, area, size):
            h, condition = self.linf.condition(self.linf.fourier(features.maps, queries))
            stretch = flow.scales(condition, out=scales[where])
            centre = flow.mean(condition, stretch)
            pixels = Window(part.top * p, part.left * p, part.height * p, part.width * p)
            rows, cols = self._pixels(features, pixels, size)
            near = interpolate(lost, rows.shifted(features.region.top), cols.shifted(features.region.left))
            start = _rows(to_patches(near * 2, p))
            hidden[where], mean[where] = h, centre
            latent[where] = flow.latent(start - centre, stretch)
        z = _rows(self.prior(_grid(latent, area), _grid(hidden, area), queries.cell)) * sampling.detail
        for start_row in range(0, count, QUERIES_AT_ONCE):
            where = slice(start_row, start_row + QUERIES_AT_ONCE)
            mean[where] += flow.spread(z[where], scales[where])
        return _grid(mean, area)

    def _lost(self, features: LinfFeatures, size: Size) -> Tensor:
        """What bilinear resizing to `size` and back takes from the LR image within the features' region."""
        low, r = features.lr.shape[-2:], features.region
        rows = round_trip(torch.arange(r.top, r.bottom), low[0], size.height)
        cols = round_trip(torch.arange(r.left, r.right), low[1], size.width)
        return features.lr[..., r.top : r.bottom, r.left : r.right] - down_up(features.lr, rows, cols)

    # --- where ---

    def _patches(self, window: Window) -> Window:
        """The patches that a window of pixels touches."""
        p = self.patch
        top, left = window.top // p, window.left // p
        return Window(top, left, -(-window.bottom // p) - top, -(-window.right // p) - left)

    def _area(self, core: Window, size: Size, sampling: Sampling) -> Window:
        """The patches whose latents must be known to predict those of `core`."""
        grid = Size(-(-size.height // self.patch), -(-size.width // self.patch))
        if self.prior is None or sampling.detail == 0:
            return core.within(grid, least=LEAST_PATCHES)
        return core.within(grid, self.prior.radius, self.prior.align, LEAST_PATCHES)

    def _blocks(self, features: LinfFeatures, area: Window, size: Size) -> Iterator[tuple[Window, slice, Queries]]:
        """Bands of patch rows with about QUERIES_AT_ONCE queries each, and their place among all rows * columns."""
        low, region = features.lr.shape[-2:], features.region
        cols = axis(patch_centres(area.left, area.right, self.patch), low[1], size.width).shifted(region.left)
        bands = -(-area.height * area.width // QUERIES_AT_ONCE)
        step = -(-area.height // bands)
        for top in range(area.top, area.bottom, step):
            bottom = min(top + step, area.bottom)
            rows = axis(patch_centres(top, bottom, self.patch), low[0], size.height).shifted(region.top)
            queries = grid_queries([rows], [cols], (region.height, region.width)).to(features.lr.device)
            where = slice((top - area.top) * area.width, (bottom - area.top) * area.width)
            yield Window(top, area.left, bottom - top, area.width), where, queries

    def _pixels(self, features: LinfFeatures, window: Window, size: Size) -> tuple[Axis, Axis]:
        h, w = features.lr.shape[-2:]
        device = features.lr.device
        rows = axis(torch.arange(window.top, window.bottom), h, size.height).to(device)
        cols = axis(torch.arange(window.left, window.right), w, size.width).to(device)
        return rows, cols


def _rows(patches: Tensor) -> Tensor:
    """(1, D, h, w) as (h * w, D), the order of queries."""
    return patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1])


def _grid(values: Tensor, area: Window) -> Tensor:
    """Inverse of `_rows`, for the queries of a rectangle of patches."""
    return values.view(1, area.height, area.width, -1).permute(0, 3, 1, 2)
