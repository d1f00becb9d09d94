"""LINF and LINF-LP exactly as published, quirks included, for official checkpoints and the proof of parity.

What a clean implementation would do otherwise: patches whose centre lies in the padding ask the centre of the image;
paired test sets are padded even where nothing is missing; at odd scales the initial latent is rounding noise. The
latent modules and the SwinIR encoder see the whole image; without them windows are made from what they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.flows.learned_prior import lost_detail
from srcli.geometry import Size, Window
from srcli.methods.linf.flow import FixedFlow
from srcli.methods.linf.network import LINF
from srcli.methods.linf.queries import Queries, official_coordinates, official_queries
from srcli.networks.latent import UNet
from srcli.networks.patches import from_patches, rows, to_patches
from srcli.resampling import interpolate, linear_taps, mirrored
from srcli.tiling.kernels import ENCODED_PIXELS
from srcli.tiling.model import Decoded, Sampling, Scales, Stages, TooSmall, gaussian_field

QUERIES_AT_ONCE = 4096
LEAST_MAP = 8  # patches a side that the U-Net can pool three times
KEPT = 2**29  # bytes of conditions that are kept from the prior's pass for the inverse
PAIRED = (2, 3, 4)  # scales of the paired test sets in the published configurations
TRAINED = 4  # scale up to which the published models were trained


@dataclass(frozen=True, slots=True)
class LatentPath:
    """The steps of LINF-LP up to the latent. Maps are (1, D, h, w) on the patch grid, coord (1, h, w, 2)."""

    coord: Tensor
    initial: Tensor
    z_lr: Tensor
    z: Tensor
    stretched: Tensor | None  # (h * w, layers * 2 * D), the flow's condition after `FixedFlow.stretch`, if not too big


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the patches of an output look, as published: coordinates of their centres along both axes, on maps of the
    size `low`. What the padding adds to rows or columns asks the centre of the image."""

    rows: Tensor
    cols: Tensor
    padded: Size  # rows and columns with those of the padding
    cell: Tensor  # (1, 2)
    low: Size

    def coord(self, part: Window) -> Tensor:
        """(1, h, w, 2) of a window of patches."""
        return self._at(torch.arange(part.top, part.bottom), torch.arange(part.left, part.right))

    def queries(self, part: Window, region: Window) -> Queries:
        """Of a window of patches, on maps that show a region."""
        found = official_queries(self.coord(part), self.cell, (self.low.height, self.low.width))
        row, col = found.index // self.low.width - region.top, found.index % self.low.width - region.left
        return replace(found, index=row * region.width + col)

    def region(self, part: Window) -> Window:
        """The part of the maps that a window of patches looks at."""
        ends = (
            torch.tensor([first, min(last, count) - 1, last - 1])  # the last one may be padding
            for first, last, count in (
                (part.top, part.bottom, len(self.rows)),
                (part.left, part.right, len(self.cols)),
            )
        )
        index = official_queries(self._at(*ends), self.cell, (self.low.height, self.low.width)).index
        ys, xs = index // self.low.width, index % self.low.width
        top, left = int(ys.min()), int(xs.min())
        return Window(top, left, int(ys.max()) + 1 - top, int(xs.max()) + 1 - left)

    def _at(self, rows: Tensor, cols: Tensor) -> Tensor:
        axes = (
            F.pad(self.rows, (0, 1))[rows.clamp_max(len(self.rows))],
            F.pad(self.cols, (0, 1))[cols.clamp_max(len(self.cols))],
        )
        coord = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        inside = (rows < len(self.rows))[:, None] & (cols < len(self.cols))
        return (coord * inside[..., None])[None]


@dataclass(frozen=True, slots=True)
class OfficialFeatures:
    """What the LR image (1, 3, h, w) in [0, 1] gives: coefficient and frequency maps of a region, and with a prior the
    latents of all patches."""

    lr: Tensor
    maps: Tensor
    region: Window
    path: LatentPath | None


class OfficialLinf:
    """Any scale. always_pad: pad by 3 - size % 3 even where size % 3 is 0, as the wrappers for paired test sets do;
    None: at the scales that the published configurations use them for.
    """

    scales = Scales(1.0, 30.0)
    tiling = "exact"
    default_temperature = 0.0
    samples = True

    def __init__(self, linf: LINF, prior: nn.Module | None = None, *, always_pad: bool | None = None) -> None:
        self.linf, self.prior, self.always_pad = linf, prior, always_pad
        self.most_detail = 0.0 if prior is None else 1.0
        self.flow, self.stages = FixedFlow(linf.imnet), Stages()
        self.reach: int | None = linf.encoder.radius  # type: ignore[assignment]
        # The scripts mirror what SwinIR sees beyond the next multiple of its window.
        self.window: int = getattr(linf.encoder, "window", 0)

    def to(self, device: torch.device) -> OfficialLinf:
        """Moves the model; returns itself."""
        self.linf.to(device)
        self.flow.to(device)
        if self.prior is not None:
            self.prior.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the LR image whose features `decode` reads for a window."""
        if self.prior is not None or self.reach is None:
            return Window.whole(low)
        return self._grid(size, low).region(self._patches(window)).within(low, minimum=ENCODED_PIXELS)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region, roughly; with a prior, for an output at the scales of its training."""
        widest: int = self.linf.encoder.widest  # type: ignore[assignment]
        per_pixel = 2 * self.linf.hidden + 3 * widest
        if self.prior is not None:
            widths = [len(p) for p in self.prior.parameters() if p.ndim > 1]
            per_pixel += (6 * max(widths) + 3 * self.flow.dim) * TRAINED**2 // self.linf.patch**2
        return 4 * region.height * region.width * per_pixel

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return 60 * window.height * window.width + 4 * QUERIES_AT_ONCE * (
            3 * self.flow.conditions + 8 * self.linf.hidden
        )

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> OfficialFeatures:
        low = Size(*lr.shape[-2:])
        inp, whole = self._padded(lr * 2 - 1), Window.whole(self._low(low))
        region = whole if region is None or self.prior is not None or self.reach is None else region
        part = region.within(self._low(low), margin=(self.reach or 0) + 1)
        with self.stages("encode"):
            image = part.cut(inp)
            maps = self.linf.encode(image.contiguous(memory_format=torch.channels_last))
        maps = region.cut(maps, part).contiguous(memory_format=torch.channels_last)
        path = None if self.prior is None else self._path(lr * 2 - 1, maps, size)
        return OfficialFeatures(lr, maps, region, path)

    def decode(self, features: OfficialFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        lr, area = features.lr, self._patches(window)
        grid = self._grid(size, Size(*lr.shape[-2:]))
        out = lr.new_empty(area.height * area.width, self.flow.dim)
        for part, where in _bands(area):
            with self.stages("condition"):
                stretched = self._stretched(features, grid, part)
            with self.stages("inverse"):
                out[where] = self._residual(features, part, stretched, sampling)
        patches = out.view(1, area.height, area.width, -1).permute(0, 3, 1, 2)
        residual = window.cut(from_patches(patches, self.linf.patch), area.scaled(self.linf.patch))
        ys, xs = torch.arange(window.top, window.bottom), torch.arange(window.left, window.right)
        rows, cols = linear_taps(ys, lr.shape[2], size.height), linear_taps(xs, lr.shape[3], size.width)
        return Decoded(interpolate(lr, rows, cols) + residual / 2)

    def upscale(self, lr: Tensor, height: int, width: int) -> Tensor:
        """(1, 3, h, w) in [0, 1] to (1, 3, height, width): of the prior, or the flow's mean; clamped."""
        size = Size(height, width)
        return self.decode(self.encode(lr, size), Window.whole(size), size, Sampling()).picture.clamp(0, 1)

    def latents(self, lr: Tensor, height: int, width: int) -> LatentPath:
        """The path from the LR image to the predicted latent."""
        path = self.encode(lr, Size(height, width)).path
        if path is None:
            raise ValueError("this model has no latent module")
        return path

    def _path(self, inp: Tensor, maps: Tensor, size: Size) -> LatentPath:
        assert self.prior is not None
        grid = self._grid(size, Size(*inp.shape[-2:]))
        area = Window.whole(grid.padded)
        if isinstance(self.prior, UNet) and min(area.height, area.width) < LEAST_MAP:
            least = LEAST_MAP * self.linf.patch
            raise TooSmall(f"the U-Net of LINF-LP makes pictures of {least}x{least} pixels and more, not {size}")
        up = F.interpolate(inp, (size.height, size.width), mode="bilinear", align_corners=False)
        lost = lost_detail(up, (inp.shape[-2], inp.shape[-1]))
        initial = to_patches(F.pad(lost, self._padding(size, Size(*inp.shape[-2:]))), self.linf.patch)
        values, count = rows(initial), area.height * area.width
        z_lr, kept = torch.empty_like(values), None
        if 4 * count * self.flow.conditions <= KEPT:
            kept = values.new_empty(count, self.flow.conditions)
        whole = OfficialFeatures(inp, maps, Window.whole(grid.low), None)
        for part, where in _bands(area):
            with self.stages("condition"):
                stretched = self._stretched(whole, grid, part)
                if kept is not None:
                    kept[where] = stretched
            z_lr[where] = self.flow.latent(values[where], stretched)
        z_map = z_lr.view(1, area.height, area.width, -1).permute(0, 3, 1, 2)
        with self.stages("prior"):
            z = self.prior(z_map, inp).float()
        return LatentPath(grid.coord(area), initial, z_map, z, kept)

    def _stretched(self, features: OfficialFeatures, grid: Grid, part: Window) -> Tensor:
        """The flow's condition of a band of patches."""
        path = features.path
        if path is not None and path.stretched is not None:
            known = path.stretched.view(*path.z.shape[-2:], -1)[part.top : part.bottom, part.left : part.right]
            return known.reshape(part.height * part.width, -1)
        queries = grid.queries(part, features.region).to(features.lr.device)
        return self.flow.stretch(self.linf.condition(self.linf.fourier(features.maps, queries))[1])

    def _residual(self, features: OfficialFeatures, part: Window, stretched: Tensor, sampling: Sampling) -> Tensor:
        """Residual patches (h * w, D) of a band."""
        if features.path is not None and sampling.detail:
            z = features.path.z[..., part.top : part.bottom, part.left : part.right] * sampling.detail
        elif sampling.temperature:
            z = gaussian_field(sampling.seed, self.flow.dim, part).to(stretched)[None] * sampling.temperature
        else:
            return self.flow.mean(stretched)
        return self.flow.inverse(rows(z), stretched)

    # --- where ---

    def _low(self, low: Size) -> Size:
        """Size of the image that the encoder sees."""
        if not self.window:
            return low
        return Size(*((n // self.window + 1) * self.window for n in (low.height, low.width)))

    def _padded(self, inp: Tensor) -> Tensor:
        low = Size(*inp.shape[-2:])
        for dim, given, wanted in zip((2, 3), (low.height, low.width), _sides(self._low(low)), strict=True):
            if wanted != given:
                inp = inp.index_select(dim, mirrored(torch.arange(wanted, device=inp.device), given))
        return inp

    def _padding(self, size: Size, low: Size) -> tuple[int, int, int, int]:
        p, always = self.linf.patch, self.always_pad
        if p == 1:
            return (0, 0, 0, 0)
        if always is None:
            always = any(_sides(size) == (k * low.height, k * low.width) for k in PAIRED)
        bottom, right = ((p - n % p) if always else -n % p for n in _sides(size))
        return (0, right, 0, bottom)

    def _grid(self, size: Size, low: Size) -> Grid:
        p, seen = self.linf.patch, self._low(low)
        _, right, _, bottom = self._padding(size, low)
        # A mirrored image has the same scale: what is asked is the first part of a larger output.
        rows, cols = (
            official_coordinates(count * wide / given, count)[(p - 1) // 2 :: p]
            for count, given, wide in zip(_sides(size), _sides(low), _sides(seen), strict=True)
        )
        padded = Size((size.height + bottom) // p, (size.width + right) // p)
        return Grid(rows, cols, padded, torch.tensor([[2 / size.height, 2 / size.width]]), seen)

    def _patches(self, window: Window) -> Window:
        """The patches that a window of pixels touches."""
        p = self.linf.patch
        top, left = window.top // p, window.left // p
        return Window(top, left, -(-window.bottom // p) - top, -(-window.right // p) - left)


def _bands(area: Window) -> Iterator[tuple[Window, slice]]:
    """Rows of patches with about QUERIES_AT_ONCE queries, and their place among all rows * columns."""
    step = max(1, QUERIES_AT_ONCE // area.width)
    for top in range(area.top, area.bottom, step):
        bottom = min(top + step, area.bottom)
        where = slice((top - area.top) * area.width, (bottom - area.top) * area.width)
        yield Window(top, area.left, bottom - top, area.width), where


def _sides(size: Size) -> tuple[int, int]:
    return size.height, size.width
