"""LINF, sampled or with the learned prior, at any scale: encode once, decode any window exactly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli.flows.exploding import Exploded
from srcli.geometry import Size, Window, mean_scale
from srcli.methods.linf.flow import EXPLODED, FixedFlow
from srcli.methods.linf.network import LINF
from srcli.methods.linf.prior import GridPrior
from srcli.methods.linf.queries import Queries, grid_queries, patch_centres
from srcli.networks.notch import Notch
from srcli.networks.patches import from_patches, grid, rows
from srcli.resampling import LinearTaps, interpolate, linear_taps
from srcli.tiling.kernels import ENCODED_PIXELS, PATCHES, QUERIES_AT_ONCE
from srcli.tiling.model import Decoded, Sampling, Scales, Stages, gaussian_field


@dataclass(frozen=True, slots=True)
class LinfFeatures:
    """What the LR image (1, 3, h, w) gives to queries within `region` of it: coefficient and frequency maps, and
    residuals of the upsampling as {factor: (share, residual)}."""

    lr: Tensor
    maps: Tensor
    anchors: dict[int, tuple[float, Tensor]]
    region: Window


class LinfModel:
    """The clean path: encoder, Fourier features and MLP once for prior and inverse; inverses once at load.

    Rectangles of the patch grid are `Window`s too, in patches.
    """

    scales = Scales(1.0, 8.0)
    tiling = "exact"
    default_temperature = 0.0
    samples = True

    def __init__(self, linf: LINF, prior: GridPrior | None = None) -> None:
        self.linf, self.prior = linf, prior
        self.patch = linf.patch
        self.most_detail = 0.0 if prior is None else 1.0
        self.stages = Stages()
        self.flow, self.notch = FixedFlow(linf.imnet), Notch(linf.patch)
        self.at_once = QUERIES_AT_ONCE

    def to(self, device: torch.device) -> LinfModel:
        """Moves the model; returns itself."""
        # A GPU has no cache to stay in, and a band costs it as many kernels as a tile.
        self.at_once = QUERIES_AT_ONCE if device.type == "cpu" else sys.maxsize
        self.linf.to(device)
        self.flow.to(device)
        self.notch.to(device)
        if self.prior is not None:
            self.prior.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image whose features `decode` reads for a window."""
        area = self._area(self._patches(window), size, sampling)
        # From first to last pixel, not patch centre: the upsampling is interpolated at every pixel of a patch.
        ends = (
            torch.tensor([first * self.patch, last * self.patch - 1])
            for first, last in ((area.top, area.bottom), (area.left, area.right))
        )
        rows, cols = (
            linear_taps(positions, n, high).index
            for positions, n, high in zip(ends, (low.height, low.width), (size.height, size.width), strict=True)
        )
        top, left = int(rows.min()), int(cols.min())
        needed = Window(top, left, int(rows.max()) + 1 - top, int(cols.max()) + 1 - left)
        return needed.within(low, minimum=ENCODED_PIXELS)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region, roughly."""
        anchors = sum(3 * int(k) ** 2 for k in self.linf.anchors)
        per_pixel = 2 * self.linf.hidden + 4 * self.linf.coef.in_channels + 2 * anchors
        return 4 * region.height * region.width * per_pixel

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        per_patch = 4 * (self.flow.conditions + 3 * self.flow.dim) + 4 * 4 * self.linf.hidden
        if self.at_once > QUERIES_AT_ONCE:
            # Neighbours, angles and waves of all patches at once; then stretches, each with three steps of their bound.
            per_patch += 4 * max(24 * self.linf.hidden, 3 * self.flow.conditions)
        return window.height * window.width * (per_patch // self.patch**2 + 60)

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> LinfFeatures:
        height, width = lr.shape[-2:]
        region = region or Window(0, 0, height, width)
        # Features inside depend only on pixels within the radius, so cropping the margin is exact.
        part = region.within(Size(height, width), margin=self.linf.radius)
        image = part.cut(lr) * 2 - 1
        with self.stages("encode"):
            encoded = self.linf.encoder(image.contiguous(memory_format=torch.channels_last))
            shares = self.linf.anchors.shares(mean_scale(size, Size(height, width)))
            residuals = self.linf.anchors(encoded, shares)
            maps = self.linf.waves(encoded)

        def inner(maps: Tensor, factor: int = 1) -> Tensor:
            return region.scaled(factor).cut(maps, part.scaled(factor))

        anchors = {k: (share, inner(residuals[k], k)) for k, share in shares.items()}
        # Contiguous, or every band of queries would copy it.
        return LinfFeatures(lr, inner(maps).contiguous(memory_format=torch.channels_last), anchors, region)

    def decode(self, features: LinfFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        with self.stages("upsampling"):
            picture = self._base(features, window, size)
        if self.flow.centred and not self._predicts(sampling) and not sampling.temperature:
            return Decoded(picture)  # the flow adds nothing
        area = self._area(self._patches(window), size, sampling)
        make = self._predict if self._predicts(sampling) else self._sample
        residual, wild = make(features, area, size, sampling)
        count = self._count(wild, area, window)
        if sampling.on_explode == "error" and count:
            raise Exploded(
                f"the inverse of the flow explodes in {int(count)} patches; lower --detail, or use --on-explode repair"
            )
        patches = residual.view(1, area.height, area.width, -1)
        with self.stages("notch"):
            residual = from_patches(self.notch(patches).permute(0, 3, 1, 2), self.patch)
            picture += window.cut(residual, area.scaled(self.patch)) / 2
        return Decoded(picture, count)

    def _base(self, features: LinfFeatures, window: Window, size: Size) -> Tensor:
        """The upsampling without the flow: (1, 3, window.height, window.width)."""
        (h, w), region = features.lr.shape[-2:], features.region
        base = interpolate(features.lr, *self._pixels(window, size, h, w))
        for k, (share, residual) in features.anchors.items():
            if (size.height, size.width) == (k * h, k * w):
                part = window.cut(residual, region.scaled(k))
            else:
                rows, cols = self._pixels(window, size, k * h, k * w)
                part = interpolate(residual, rows.shifted(region.top * k), cols.shifted(region.left * k))
            base += part * (share / 2)  # not add_(alpha=): fused in vectors, not in their tails
        return base

    def _sample(self, features: LinfFeatures, area: Window, size: Size, sampling: Sampling) -> tuple[Tensor, Tensor]:
        """Residual patches (h * w, D) of the latent temperature * noise, and where the inverse exploded (h * w,)."""
        out = features.lr.new_empty(area.height * area.width, self.flow.dim)
        wild = torch.zeros(len(out), dtype=torch.bool, device=out.device)
        for part, where, queries in self._blocks(features, area, size):
            with self.stages("condition"):
                _, condition = self.linf.condition(self.linf.fourier(features.maps, queries))
                stretched = self.flow.stretch(condition)
            with self.stages("inverse"):
                if sampling.temperature:
                    noise = gaussian_field(sampling.seed, self.flow.dim, part)
                    z = rows(noise.to(out.device)[None]) * sampling.temperature
                    out[where], wild[where] = self._inverse(z, stretched)
                else:
                    out[where] = self.flow.mean(stretched)
        return out, wild

    def _predict(self, features: LinfFeatures, area: Window, size: Size, sampling: Sampling) -> tuple[Tensor, Tensor]:
        """Residual patches (h * w, D) of the predicted latent, and where the inverse exploded (h * w,)."""
        assert self.prior is not None
        flow, count = self.flow, area.height * area.width
        hidden = features.maps.new_empty(count, self.linf.hidden)
        stretched = features.lr.new_empty(count, flow.conditions)
        with self.stages("condition"):
            for _, where, queries in self._blocks(features, area, size):
                hidden[where], stretched[where] = self.linf.condition(self.linf.fourier(features.maps, queries))
                flow.stretch(stretched[where])
        with self.stages("prior"):
            out = rows(self.prior(grid(hidden, (1, area.height, area.width)), queries.cell)) * sampling.detail
        wild = torch.zeros(count, dtype=torch.bool, device=out.device)
        with self.stages("inverse"):
            for start in range(0, count, self.at_once):
                where = slice(start, start + self.at_once)
                out[where], wild[where] = self._inverse(out[where], stretched[where])
        return out, wild

    def _inverse(self, z: Tensor, stretched: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals (N, D) of latents (N, D), and which of them exploded before they were bounded (N,)."""
        residual = self.flow.unbounded(z, stretched)
        return self.flow.bounded(residual), ~(residual.abs().amax(1) <= EXPLODED)

    def _count(self, wild: Tensor, area: Window, window: Window) -> Tensor:
        """Exploded patches whose corner lies in the window, so that those that two tiles share count once."""
        p = self.patch
        top, bottom = (-(-edge // p) - area.top for edge in (window.top, window.bottom))
        left, right = (-(-edge // p) - area.left for edge in (window.left, window.right))
        return wild.view(area.height, area.width)[top:bottom, left:right].sum()

    # --- where ---

    def _patches(self, window: Window) -> Window:
        """The patches that a window of pixels touches."""
        p = self.patch
        top, left = window.top // p, window.left // p
        return Window(top, left, -(-window.bottom // p) - top, -(-window.right // p) - left)

    def _predicts(self, sampling: Sampling) -> bool:
        """Whether the prior is asked."""
        return self.prior is not None and sampling.detail > 0

    def _area(self, core: Window, size: Size, sampling: Sampling) -> Window:
        """The patches that must be made to know those of `core`."""
        grid = Size(-(-size.height // self.patch), -(-size.width // self.patch))
        if self.prior is None or not self._predicts(sampling):
            return core.within(grid, self.notch.radius, minimum=PATCHES)
        return core.within(grid, self.notch.radius + self.prior.radius, self.prior.align, PATCHES)

    def _blocks(self, features: LinfFeatures, area: Window, size: Size) -> Iterator[tuple[Window, slice, Queries]]:
        """Bands of patch rows with about `at_once` queries each, and their place among all rows * columns."""
        low, region, device = features.lr.shape[-2:], features.region, features.lr.device
        cols = linear_taps(patch_centres(area.left, area.right, self.patch), low[1], size.width).shifted(region.left)
        cols = cols.to(device)
        bands = -(-area.height * area.width // self.at_once)
        step = -(-area.height // bands)
        for top in range(area.top, area.bottom, step):
            bottom = min(top + step, area.bottom)
            rows = linear_taps(patch_centres(top, bottom, self.patch), low[0], size.height).shifted(region.top)
            queries = grid_queries([rows.to(device)], [cols], (region.height, region.width))
            where = slice((top - area.top) * area.width, (bottom - area.top) * area.width)
            yield Window(top, area.left, bottom - top, area.width), where, queries

    @staticmethod
    def _pixels(window: Window, size: Size, h: int, w: int) -> tuple[LinearTaps, LinearTaps]:
        """Where the pixels of a window lie on an image of h x w."""
        rows = linear_taps(torch.arange(window.top, window.bottom), h, size.height)
        return rows, linear_taps(torch.arange(window.left, window.right), w, size.width)
