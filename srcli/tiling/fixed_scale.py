"""Models whose network makes one scale: other scales are resampled from that one."""

from __future__ import annotations

from torch import Tensor

from srcli.geometry import Size, Window
from srcli.resampling import resample, source_window, window_taps
from srcli.tiling.model import Scales, Stages

FILTER = "antialiased bicubic (a = -0.5)"  # of `resized`


class FixedScale:
    """What such models share. The picture at the network's own scale is the `own` one.

    scale: of the network, a whole number.
    """

    tiling = "exact"

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.scales, self.stages = Scales(1.0, float(scale)), Stages()

    def own_size(self, low: Size) -> Size:
        """The size of the own picture of an LR image of size `low`."""
        return Size(low.height * self.scale, low.width * self.scale)

    def own_window(self, window: Window, size: Size, low: Size) -> Window:
        """The part of the own picture that a window of the output `size` is made from."""
        return source_window(window, self.own_size(low), size)

    def resized(self, own: Tensor, shown: Window, window: Window, size: Size, low: Size) -> Tensor:
        """A window of the output `size` from a part of the own picture, (1, 3, h, w), that shows `shown` of it."""
        with self.stages("resample"):
            if size == self.own_size(low):
                return window.cut(own, shown).contiguous()
            return resample(own, *window_taps(window, self.own_size(low), size), shown.top, shown.left)
