"""What every trained model offers to the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from srcli.errors import SrcliError
from srcli.geometry import Size, Target, TargetError, Window
from srcli.tiling.pulse import beat

NOISE_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Scales:
    """Scales that a model makes by itself, from `low` to `high` inclusive, per axis."""

    low: float
    high: float

    def check(self, target: Target, name: str) -> None:
        """Raise `TargetError` for a target whose scale is outside. name: of the model."""
        if target.scale is not None and not self.low <= target.scale <= self.high:
            raise TargetError(f"scale {target.scale:g} is outside {self.low:g} to {self.high:g}, what {name} makes")

    def size(self, source: Size, target: Target, name: str) -> Size:
        """The output size for a picture of size `source`. Raises `TargetError` for one outside."""
        self.check(target, name)
        if target.scale is not None:
            return target.size(source)
        size = target.enlarged(source)
        for side, wanted, given in (("high", size.height, source.height), ("wide", size.width, source.width)):
            # Half a pixel of rounding may push a size just over the limit.
            if not self.low * given - 0.5 <= wanted <= self.high * given + 0.5:
                raise TargetError(
                    f"{given} to {wanted} pixels {side} is a scale of {wanted / given:.4g}; "
                    f"{name} makes {self.low:g} to {self.high:g}"
                )
        return target.size(source)

    def make(self, source: Size, target: Target) -> bool:
        """Whether the output for a picture of size `source` is within."""
        try:
            self.size(source, target, "")
        except TargetError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to choose among the pictures that fit the input.

    detail: of learned priors and rectified flows, from 0 (faithful) to the model's `most_detail`.
    temperature: of sampled flows; None: the model's own.
    on_explode: what to do where an inverse explodes, `repair` or `error`.
    steps: along a rectified flow.
    colour: the colour fix of a rectified flow: none, wavelet or adain; None: the model's own.
    denoise: share of the first of two networks whose weights are mixed, from 0 to 1; None: 1.
    strict: whether a result that does not match its input is an error.
    """

    detail: float = 1.0
    temperature: float | None = None
    seed: int = 0
    on_explode: str = "repair"
    steps: int = 1
    colour: str | None = None
    denoise: float | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A window of the output, (1, 3, height, width), not clamped, and how many patches in it had an inverse that
    exploded and was repaired: a number, or () on the device, where reading it would wait."""

    picture: Tensor
    exploded: int | Tensor = 0


class TooSmall(SrcliError):
    """A picture that a network cannot see."""

    reason = "too-small"


class Stages:
    """Seconds of a model by stage (encode, prior, inverse ...), added up since it was made.

    `exact` waits for a GPU at the end of each stage; without it a stage is what the CPU spent to ask for it.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.exact = False
        self.now: str | None = None  # the stage that is running

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start, before = time.perf_counter(), self.now
        self.now = name
        try:
            yield
        finally:
            self.now = before
        beat()
        if self.exact and torch.accelerator.is_available():
            torch.accelerator.synchronize()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


class Model(Protocol):
    """A trained super-resolution model, ready to run. Declares its tiling facts; the engine asks."""

    scales: Scales
    tiling: str  # exact: tiles have the numbers of the whole; bounded: close to them
    stages: Stages
    default_temperature: float  # the temperature where none is asked for
    most_detail: float  # the largest `Sampling.detail`; 0 where it has no effect
    samples: bool  # whether `Sampling.temperature` has an effect

    def to(self, device: torch.device) -> Model:
        """Moves the model; returns itself."""

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """The part of an LR image of size `low` whose features `decode` reads for a window of the output."""

    def encode_bytes(self, region: Window) -> int:
        """Working memory of encoding a region in float32, roughly."""

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory of decoding a window in float32, roughly, as large as anywhere: its place does not count."""

    def encode(self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None) -> Any:
        """Features of lr (1, 3, h, w) in [0, 1], sRGB, within a region of it (default: all), for an output of `size`.
        Exact for any region. Of the sampling (None: the default one), only `denoise` may change them."""

    def decode(self, features: Any, window: Window, size: Size, sampling: Sampling) -> Decoded:
        """The part `window` of the whole output of `size`."""


class KeepsPicture:
    """What models share whose features are the small picture itself: they enlarge it window by window."""

    def region(self, window: Window, size: Size, low: Size, sampling: Sampling) -> Window:
        """All of it: enlarging takes what it needs."""
        return Window.whole(low)

    def encode_bytes(self, region: Window) -> int:
        """Nothing is computed."""
        return 0


def gaussian_field(seed: int, channels: int, window: Window) -> Tensor:
    """Standard normal noise (channels, height, width) at absolute grid positions.

    Made of 64 x 64 blocks keyed by (seed, block row, block column), so any window, strip or shard sees the same field.
    """
    rows = range(window.top // NOISE_BLOCK, (window.bottom - 1) // NOISE_BLOCK + 1)
    cols = range(window.left // NOISE_BLOCK, (window.right - 1) // NOISE_BLOCK + 1)
    blocks = [[_noise_block(seed, row, col, channels) for col in cols] for row in rows]
    field = np.concatenate([np.concatenate(line, axis=2) for line in blocks], axis=1)
    y, x = window.top - rows[0] * NOISE_BLOCK, window.left - cols[0] * NOISE_BLOCK
    return torch.from_numpy(field[:, y : y + window.height, x : x + window.width].copy())


def _noise_block(seed: int, row: int, col: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng((seed, row, col))
    return rng.standard_normal((channels, NOISE_BLOCK, NOISE_BLOCK), dtype=np.float32)
