"""Euler steps along a velocity from the enlarged picture to the sharp one, in exact tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.geometry import Size, Window
from srcli.methods.flowsr.colour import WAVELET_RADIUS, Tint, tint, wavelet
from srcli.methods.flowsr.network import VelocityNet
from srcli.resampling import enlarge, mirrored
from srcli.tiling.kernels import CANVAS_PIXELS
from srcli.tiling.model import Decoded, KeepsPicture, Sampling, Scales, Stages

# Around the picture the canvas goes on as its mirror image: zeros beyond the border reach into it less.
RIM = 16
PROBE = 192  # pixels a side of the small picture that colours are compared on


@dataclass(frozen=True, slots=True)
class PathFeatures:
    """The low-resolution picture (1, 3, h, w) in [0, 1]; it is enlarged window by window."""

    lr: Tensor


class PathModel(KeepsPicture, ABC):
    """Any scale from 1 to 8: the network works on the enlarged picture and is not told the scale. What is made of the
    network at each step is `velocity`."""

    scales = Scales(1.0, 8.0)
    tiling = "exact"
    default_temperature = 0.0
    most_detail = 1.0
    samples = False
    default_colour = "none"

    def __init__(self, network: VelocityNet) -> None:
        if network.conditioned:
            raise ValueError("a flow without noise on its path has no second input")
        self.network = network
        self.stages = Stages()

    @abstractmethod
    def velocity(self, x: Tensor, t: float, s: float, sampling: Sampling) -> Tensor:
        """dx/dt at x (1, 3, H, W) in about [-1, 1] for the step from time t to s < t. A pixel depends on those within
        the network's radius."""

    def start(self, x: Tensor, area: Window, sampling: Sampling) -> Tensor:
        """Where the path begins in an area of the canvas, from the enlarged picture x there."""
        return x

    def to(self, device: torch.device) -> Self:
        """Moves the model; returns itself."""
        self.network.to(device)
        return self

    # --- tiling facts ---

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window, roughly, with its surroundings, of which each step needs its own: the
        first one works on the largest area."""
        far = WAVELET_RADIUS if sampling.colour == "wavelet" else 0
        margin = 2 * (far + sampling.steps * (self.network.radius + self.network.align))
        canvas = self._canvas(size)
        sides = min(window.height + margin, canvas.height), min(window.width + margin, canvas.width)
        grown = max(sides[0] * sides[1], min(CANVAS_PIXELS, canvas.height * canvas.width))
        # Five maps at a quarter of the resolution, two thin ones and two pictures at the full one; measured.
        numbers = self.network.head.out_channels / 16 * 5 + self.network.thin * 2 + 2 * 3
        return int(4 * numbers * grown)

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> PathFeatures:
        return PathFeatures(lr)

    def decode(self, features: PathFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        lr, fix = features.lr, sampling.colour or self.default_colour
        area = window.within(size, WAVELET_RADIUS if fix == "wavelet" else 0)
        made = self._flow(lr, area, size, sampling)
        with self.stages("colour"):
            if fix == "wavelet":
                made = wavelet(made, self._enlarged(lr, area.shifted(RIM, RIM), size) * 0.5 + 0.5)
            elif fix == "adain":
                made = self._tint(lr, sampling)(made)
        return Decoded(window.cut(made, area))

    def _flow(self, lr: Tensor, window: Window, size: Size, sampling: Sampling) -> Tensor:
        """A window of the end of the path, in [0, 1]."""
        canvas, steps, goal = self._canvas(size), sampling.steps, window.shifted(RIM, RIM)
        areas = [goal]  # from the last to the first: pixels inside depend only on those within the radius
        for _ in range(steps):
            areas.insert(0, areas[0].within(canvas, self.network.radius, self.network.align, CANVAS_PIXELS))
        with self.stages("enlarge"):
            x = self.start(self._enlarged(lr, areas[0], size), areas[0], sampling)
        with self.stages("flow"):
            for k in range(steps):
                v = self.velocity(x, 1 - k / steps, 1 - (k + 1) / steps, sampling)
                x = areas[k + 1].cut(x - v / steps, areas[k])
        return x * 0.5 + 0.5

    def _canvas(self, size: Size) -> Size:
        """The picture with its rim, in whole positions of the network. The rim at the bottom and right is at least as
        wide as at the top and left, where the canvas begins."""
        align = self.network.align
        return Size(*(-(-(n + 2 * RIM) // align) * align for n in (size.height, size.width)))

    @staticmethod
    def _enlarged(lr: Tensor, area: Window, size: Size) -> Tensor:
        """A part of the canvas at t = 1, in [-1, 1]: bicubic, mirrored beyond the picture."""
        rows = mirrored(torch.arange(area.top, area.bottom) - RIM, size.height)
        cols = mirrored(torch.arange(area.left, area.right) - RIM, size.width)
        return enlarge(lr, rows, cols, size) * 2 - 1

    def _tint(self, lr: Tensor, sampling: Sampling) -> Tint:
        """What the network does to the colours of a small version of the picture, to be undone. A function of the
        low-resolution picture alone, so that all tiles are treated alike."""
        size = Size(*(min(n, PROBE) for n in lr.shape[-2:]))
        small = F.adaptive_avg_pool2d(lr, (size.height, size.width))
        return tint(self._flow(small, Window.whole(size), size, sampling), small)
