"""Real-ESRGAN's networks in the engine: other scales by resampling their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.geometry import Size, Window
from srcli.methods.realesrgan.network import ESRGAN, Compact, mixed
from srcli.tiling.fixed_scale import FixedScale
from srcli.tiling.kernels import ENCODED_PIXELS
from srcli.tiling.model import Decoded, Sampling

# Positions of the network around a tile: pixels of the small picture, times the fold. In three photos, what lies
# farther away changed a pixel of x4plus by 1.2 of 255 at most (`benchmarks/quality/halo.py`). Folded networks were not
# measured.
HALO = 64


@dataclass(frozen=True, slots=True)
class Features:
    """Features of `region` of the small picture `lr`, (1, 3, h, w) in [0, 1] with sides that can be folded. low: the
    size of the picture itself. network: what made them."""

    low: Size
    lr: Tensor
    maps: Tensor
    region: Window
    network: ESRGAN | Compact


class RealESRGANModel(FixedScale):
    """Exact in tiles where what a pixel depends on is affordable; else tiles see `HALO` positions around them, and a
    picture that fits into memory is exact too.

    network: what makes the pictures.
    twin: a network of the same shape, mixed with it for `Sampling.denoise` below 1.

    Raises ValueError for a twin of another shape.
    """

    default_temperature = 0.0
    most_detail = 0.0
    samples = False

    def __init__(self, network: ESRGAN | Compact, twin: ESRGAN | Compact | None = None) -> None:
        super().__init__(network.scale)
        if twin is not None and _shapes(network) != _shapes(twin):
            raise ValueError("the network and its twin have different shapes, so their weights cannot be mixed")
        self.network, self.twin, self.fold = network, twin, network.fold
        self.halo = min(network.radius, HALO * network.fold)
        self.tiling = "exact" if network.radius <= self.halo else "bounded"

    def to(self, device: torch.device) -> RealESRGANModel:
        """Moves the model; returns itself."""
        self.network.to(device)
        if self.twin is not None:
            self.twin.to(device)
        return self

    # --- tiling facts ---

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of the small picture whose features `decode` reads for a window."""
        return self._area(window, size, low).within(low)

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region with its halo, roughly."""
        height, width = region.height + 2 * self.halo, region.width + 2 * self.halo
        return 4 * height * width * 4 * self.network.widest // self.fold**2

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly."""
        return 4 * window.height * window.width * (self.network.tail // self.scale**2 + 12)

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> Features:
        low, lr = Size(*lr.shape[-2:]), self._foldable(lr)
        whole = Size(*lr.shape[-2:])
        region = (region or Window.whole(whole)).within(whole, align=self.fold)
        part = region.within(whole, margin=self.halo, align=self.fold)
        network = self._network(sampling)
        with self.stages("encode"):
            maps = network.encode(part.cut(lr).contiguous(memory_format=torch.channels_last))
        inner = region.scaled(1 / self.fold).cut(maps, part.scaled(1 / self.fold))
        return Features(low, lr, inner, region, network)

    def decode(self, features: Features, window: Window, size: Size, sampling: Sampling) -> Decoded:
        area, fold = self._area(window, size, features.low), 1 / self.fold
        with self.stages("decode"):
            maps = area.scaled(fold).cut(features.maps, features.region.scaled(fold))
            own = features.network.decode(maps.contiguous(memory_format=torch.channels_last), area.cut(features.lr))
        return Decoded(self.resized(own, area.scaled(self.scale), window, size, features.low))

    def _network(self, sampling: Sampling | None) -> ESRGAN | Compact:
        """The network at a strength of denoising: one of the two, or their mixture."""
        strength = 1.0 if sampling is None or sampling.denoise is None else sampling.denoise
        if self.twin is None or strength == 1:
            return self.network
        return self.twin if strength == 0 else mixed(self.network, self.twin, strength)

    # --- where ---

    def _area(self, window: Window, size: Size, low: Size) -> Window:
        """Pixels of the small picture that a window of the output is made from, with what the last layers see."""
        core = self.own_window(window, size, low).scaled(1 / self.scale)
        margin = self.network.margin * self.fold
        return core.within(self._folded(low), margin=margin, align=self.fold, minimum=ENCODED_PIXELS)

    def _folded(self, low: Size) -> Size:
        return Size(*(-(-n // self.fold) * self.fold for n in (low.height, low.width)))

    def _foldable(self, lr: Tensor) -> Tensor:
        """The picture, mirrored at the bottom and on the right to sides that can be folded."""
        below, right = (-n % self.fold for n in lr.shape[-2:])
        if not below and not right:
            return lr
        mode = "reflect" if below < lr.shape[-2] and right < lr.shape[-1] else "replicate"
        return F.pad(lr, (0, right, 0, below), mode=mode)


def _shapes(network: ESRGAN | Compact) -> dict[str, torch.Size]:
    return {name: weights.shape for name, weights in network.state_dict().items()}
