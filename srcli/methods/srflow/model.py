"""SRFlow, sampled or with the learned prior: its own scale in exact windows, other scales by resampling those."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.flows.exploding import PATCH, Exploded, as_pixels, exploded
from srcli.geometry import Size, Window
from srcli.methods.srflow.network import SRFlow
from srcli.methods.srflow.official import even_sided
from srcli.methods.srflow.prior import LevelPrior
from srcli.networks.notch import Notch
from srcli.resampling import interpolate, linear_taps
from srcli.tiling.fixed_scale import FixedScale
from srcli.tiling.kernels import NUMBERS_PER_THREAD
from srcli.tiling.model import Decoded, Sampling, gaussian_field

FOLD = 4  # period of the weave that the prior leaves: the finest split has pixels of 2, the next of 4
BLOCK = 640  # side of what is decoded at once, in pixels of the network's own scale; a multiple of PATCH
TEMPERATURE = 0.8  # where none is asked for, as in the paper
# Shares of the temperature, or of the prior's latents, at which exploded patches are made again, beginning at
# TEMPERATURE or below: half of a temperature that makes everything explode would still make noise.
COOLER = (0.5, 0.25, 0.0)


@dataclass(frozen=True, slots=True)
class SRFlowFeatures:
    """What the LR image gives within `region` of it.

    low: its size; lr: the image, with even sides; maps: RRDB features; residual: of the upsampling, its pixels not yet
    shuffled; latents: the prior's, finest first."""

    low: Size
    lr: Tensor
    maps: Tensor
    residual: Tensor | None
    latents: list[Tensor]
    region: Window


class SRFlowModel(FixedScale):
    """At the network's scale windows are exact: each level of the flow is decoded with the surroundings that its
    couplings see. The grids of the levels have `Window`s too: level 1 has half the sides of the picture, and so on.
    """

    samples = True

    def __init__(self, flow: SRFlow, prior: LevelPrior | None = None) -> None:
        super().__init__(flow.scale)
        self.flow, self.prior = flow, prior
        self.default_temperature, self.most_detail = (TEMPERATURE, 0.0) if prior is None else (0.0, 1.0)
        self.levels = flow.flowUpsamplerNet.fold(inverse=True)
        self.notch = Notch(FOLD) if flow.centred else None  # published flows are as their authors made them
        few = NUMBERS_PER_THREAD * torch.get_num_threads()
        self.least = [few // level.narrowest + 1 for level in self.levels]  # positions of a level's windows
        self.least_low = few // 3 + 1  # pixels of an LR window

    def to(self, device: torch.device) -> SRFlowModel:
        """Moves the model; returns itself."""
        self.flow.to(device)
        if self.notch is not None:
            self.notch.to(device)
        self.levels = self.flow.flowUpsamplerNet.fold(inverse=True)
        if self.prior is not None:
            self.prior.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image, its sides made even, whose features `decode` reads for a window."""
        even = even_size(low)
        areas = [
            self._area(grid, ratio, even)
            for block in _blocks(self._wide(self._core(window, size, low), low))
            for grid, ratio in zip(self._grids(block, even)[1:], self.flow.ratios, strict=True)
        ]
        top, left = min(a.top for a in areas), min(a.left for a in areas)
        height, width = max(a.bottom for a in areas) - top, max(a.right for a in areas) - left
        return Window(top, left, height, width).within(even, align=2)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region with the margin that the networks see, roughly."""
        rrdb, margin = self.flow.RRDB, 2 * self._margin
        return 4 * (region.height + margin) * (region.width + margin) * (2 * rrdb.channels + 3 * rrdb.widest + 150)

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return self._inverse_bytes(window.height * window.width)

    def _inverse_bytes(self, pixels: int) -> int:
        """Working memory of decoding a window of that many output pixels, roughly: a block at the network's scale,
        where the finest level takes most, and the window at that scale."""
        step = self.levels[0].steps[-1]
        hidden = 2 * self.flow.steps * step.feature.middle[0].shape[0] if step.feature else 0
        block = min(2 * pixels, (BLOCK + 8 * self.flow.steps) ** 2)
        return block * (2 * hidden + 2 * self.flow.RRDB.channels + 120) + 60 * pixels

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> SRFlowFeatures:
        low, lr = Size(*lr.shape[-2:]), even_sided(lr)
        region = region or Window.whole(even_size(low))
        # What is inside depends only on pixels within the radii, so cropping the margin is exact.
        part = region.within(even_size(low), margin=self._margin, align=2, minimum=self.least_low)
        with self.stages("encode"):
            features = self.flow.features(part.cut(lr))
            residual = None
            if self.flow.centred:
                inner = features[:, : self.flow.RRDB.features]
                residual = region.cut(self.flow.upsampling(inner).float(), part)
        latents: list[Tensor] = []
        if self.prior is not None:
            with self.stages("prior"):
                found = zip(self.prior(features), self.prior.ratios, strict=True)
                latents = [region.scaled(ratio).cut(z, part.scaled(ratio)) for z, ratio in found]
        return SRFlowFeatures(low, lr, region.cut(features, part), residual, latents, region)

    def decode(self, features: SRFlowFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        core = self._core(window, size, features.low)
        wide = self._wide(core, features.low)
        picture, count = features.lr.new_empty(1, 3, wide.height, wide.width), 0
        for block in _blocks(wide):
            made, bad = self._sound(features, block, sampling)
            count += self._count(bad, block, window, size, features.low)
            block.cut(picture, wide).copy_(made)
        if self.notch is not None:
            with self.stages("notch"):
                picture = without_grid(picture, self._enlarged(features, wide), self.notch)
        picture = core.cut(picture, wide)
        return Decoded(self.resized(picture, core, window, size, features.low), count)

    def _sound(self, features: SRFlowFeatures, block: Window, sampling: Sampling) -> tuple[Tensor, Tensor]:
        """A block without exploded patches, and which ones (rows, columns) had to be made again: with the same seed and
        ever less temperature, at last as the upsampling alone. A function of the patch, whatever block it lies in."""
        strength, lr = self._strength(sampling), block.scaled(1 / self.flow.scale).cut(features.lr)
        base, picture = self._upsampling(features, block), self._decoded(features, block, strength, sampling)
        bad = exploded(picture, base, lr)
        if not bad.any():
            return picture, bad
        if sampling.on_explode == "error":
            row, col = (int(v) for v in bad.nonzero()[0])
            where = f"{block.left + col * PATCH},{block.top + row * PATCH}"
            raise Exploded(f"the inverse of the flow explodes at pixel {where}; lower the temperature or repair")
        left = bad
        for share in COOLER:
            again = self._decoded(features, block, min(strength, 2 * TEMPERATURE) * share, sampling)
            picture = torch.where(as_pixels(left, block.height, block.width), again, picture)
            left = left & exploded(again, base, lr)
            if not left.any():
                return picture, bad
        return torch.where(as_pixels(left, block.height, block.width), base, picture), bad

    def _decoded(self, features: SRFlowFeatures, core: Window, strength: float, sampling: Sampling) -> Tensor:
        """A window at the network's scale, from latents times `strength`."""
        even = even_size(features.low)
        grids = self._grids(core, even)
        count, z, area = len(self.levels), None, grids[-1]
        for number in reversed(range(count)):
            level, grid, ratio = self.levels[number], grids[number + 1], self.flow.ratios[number]
            if z is None:
                z = self._latent(features, len(self.flow.latent_channels) - 1, grid, ratio, strength, sampling)
            eps = self._latent(features, number, grid, ratio, strength, sampling) if level.split else None
            with self.stages("condition"):
                known = self._area(grid, ratio, even)
                maps = self.flow.RRDB.maps(known.cut(features.maps, features.region), ratio)
                maps = grid.cut(maps, known.scaled(ratio)).contiguous(memory_format=torch.channels_last)
            with self.stages("inverse"):
                z = level.decode(grid.cut(z, area), eps, maps)
            area = grid.scaled(2)
        assert z is not None
        picture = core.cut(z, area)
        return picture + self._upsampling(features, core) if self.flow.centred else picture

    def _latent(
        self, features: SRFlowFeatures, number: int, grid: Window, ratio: float, strength: float, sampling: Sampling
    ) -> Tensor:
        channels, lr = self.flow.latent_channels, features.lr
        if not strength:
            return lr.new_zeros(1, channels[number], grid.height, grid.width)
        if features.latents and sampling.detail:
            return grid.cut(features.latents[number], features.region.scaled(ratio)) * strength
        field = gaussian_field(sampling.seed * len(channels) + number, channels[number], grid)
        return field.to(lr.device)[None] * strength

    def _upsampling(self, features: SRFlowFeatures, core: Window) -> Tensor:
        """What the flow is centred on, or the bilinear upsampling where it is not."""
        base, scale = self._enlarged(features, core), self.flow.scale
        if features.residual is not None:
            area = core.scaled(1 / scale)
            residual = F.pixel_shuffle(area.cut(features.residual, features.region), scale)
            base = base + core.cut(residual, area.scaled(scale))
        return base

    def _enlarged(self, features: SRFlowFeatures, core: Window) -> Tensor:
        scale, (h, w) = self.flow.scale, features.lr.shape[-2:]
        rows = linear_taps(torch.arange(core.top, core.bottom), h, scale * h)
        cols = linear_taps(torch.arange(core.left, core.right), w, scale * w)
        return interpolate(features.lr, rows, cols)

    def _strength(self, sampling: Sampling) -> float:
        """Share of the prior's latents, or the temperature."""
        if self.prior is not None and sampling.detail:
            return sampling.detail
        return self.default_temperature if sampling.temperature is None else sampling.temperature

    # --- where ---

    @property
    def _margin(self) -> int:
        """LR pixels around a region that its features depend on."""
        return self.flow.radius + (self.prior.radius if self.prior is not None else 1)

    def _core(self, window: Window, size: Size, low: Size) -> Window:
        """What is needed at the network's scale for a window of the output, in whole patches."""
        return self.own_window(window, size, low).within(self.own_size(even_size(low)), align=PATCH)

    def _wide(self, core: Window, low: Size) -> Window:
        """With the surroundings that the notch sees."""
        return core if self.notch is None else core.within(self.own_size(even_size(low)), Notch.radius * FOLD)

    def _grids(self, core: Window, even: Size) -> list[Window]:
        """Windows of the picture and of each level, each with what the couplings of its level see: two positions a
        step, and one for the split."""
        grids = [core]
        for number, level in enumerate(self.levels):
            whole = Size(*(n * self.flow.scale >> number + 1 for n in (even.height, even.width)))
            margin = 2 * self.flow.steps + (level.split is not None)
            grids.append(grids[-1].scaled(0.5).within(whole, margin=margin, minimum=self.least[number]))
        return grids

    @staticmethod
    def _area(grid: Window, ratio: float, even: Size) -> Window:
        """LR pixels that a level's map is made of; doubling sees a neighbour."""
        return grid.scaled(1 / ratio).within(even, margin=int(ratio > 1))

    def _count(self, bad: Tensor, block: Window, window: Window, size: Size, low: Size) -> int:
        """Patches whose upper left corner lies in the window, so that those shared by two tiles count once."""
        own, corners = self.own_size(low), bad.nonzero() * PATCH
        y = (corners[:, 0] + block.top) * size.height // own.height
        x = (corners[:, 1] + block.left) * size.width // own.width
        inside = (y >= window.top) & (y < window.bottom) & (x >= window.left) & (x < window.right)
        return int(inside.sum())


def without_grid(picture: Tensor, base: Tensor, notch: Notch) -> Tensor:
    """The picture without what its deviation from the bilinear upsampling `base` repeats from patch to patch."""
    patches = F.pixel_unshuffle(picture - base, FOLD).permute(0, 2, 3, 1)
    return base + F.pixel_shuffle(notch(patches).permute(0, 3, 1, 2), FOLD)


def even_size(low: Size) -> Size:
    return Size(low.height + low.height % 2, low.width + low.width % 2)


def _blocks(core: Window) -> Iterator[Window]:
    """Equal parts of a window, in whole patches, the last of each row and column smaller: no slivers, which would be
    mostly margin."""
    height, width = (_part(n) for n in (core.height, core.width))
    for top in range(core.top, core.bottom, height):
        for left in range(core.left, core.right, width):
            yield Window(top, left, min(height, core.bottom - top), min(width, core.right - left))


def _part(length: int) -> int:
    """Length of the fewest equal parts of at most BLOCK, in whole patches."""
    return math.ceil(length / math.ceil(length / BLOCK) / PATCH) * PATCH
