"""One picture through a model, strip by strip, which bounds the memory; and what is done when it runs out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srcli import runtime
from srcli.errors import OutOfMemory, SrcliError
from srcli.geometry import Size, Window
from srcli.images.layout import Band, Layout
from srcli.images.picture import quantise
from srcli.resampling import enlarged
from srcli.tiling.guard import LIMIT, Unfaithful, disagreement, doubt, fallbacks
from srcli.tiling.model import KeepsPicture, Model
from srcli.tiling.planes import Part, Planes, Tile, behind, joined
from srcli.tiling.pulse import Pulse, watch
from srcli.tiling.tiles import SMALLEST_TILE, fit_tile, strips

LEAST_BUDGET = 2**20
# Bytes of a strip as it is stored; a GPU finishes larger ones in less time than it takes to begin a second.
STRIP_STORED, STRIP_STORED_GPU = 48 * 2**20, 192 * 2**20


class NotFinite(SrcliError):
    """A picture for which the model gives no finite numbers, not even in float32."""

    reason = "not-finite"


@dataclass(slots=True)
class Engine:
    """A model on a device. tile: side in output pixels, 0 to choose by the budget. budget: bytes that a strip would
    take in float32; halved whenever memory runs out, and kept so for the pictures to come."""

    model: Model
    runtime: runtime.Runtime
    name: str
    tile: int = 0
    budget: int = 0
    layers: int = 0  # that a tile runs, for its progress

    @property
    def ahead(self) -> int:
        """Strips that are asked for before the one that is waited for."""
        return 0 if self.runtime.device.type == "cpu" else 1

    def __post_init__(self) -> None:
        self.budget = self.budget or runtime.strip_budget(self.runtime)
        self.layers = watch(self.model)


@dataclass(slots=True)
class Count:
    """What a picture took."""

    tiles: int = 0
    redone: int = 0  # tiles that were not finite at the chosen precision and were made again in float32
    exploded: int = 0  # patches where the flow's inverse exploded and was repaired
    bounded: int = 0  # tiles that are only close to the untiled result
    guarded: int = 0  # tiles that did not show what went in and were made again, more faithfully
    disagreement: float = 0.0  # the largest that a tile had before that

    def reset(self, to: Count) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(to, each.name))


@dataclass(frozen=True, slots=True)
class Stream:
    """A result that is computed while its bands are read."""

    layout: Layout
    bands: Callable[[], Iterator[Band]]
    count: Count  # complete after the last band


@dataclass(slots=True)
class Job:
    """A picture's planes to an output layout.

    size: of the whole enlarged picture.
    shown: the part of it that the layout holds.
    """

    engine: Engine
    _: KW_ONLY
    layout: Layout
    size: Size
    shown: Window
    colour: Planes
    alpha: Planes | None  # None also for one that is the same everywhere
    opacity: float  # that one
    advance: Callable[[int], None]
    count: Count = field(default_factory=Count)
    told: int = 0  # pixels that `advance` has been told
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.engine.layers * max(1, self.colour.sampling.steps), self._tell)

    def _tell(self, pixels: int) -> None:
        self.told += pixels
        self.advance(pixels)

    def bands(self) -> Iterator[Band]:
        """Rows of the result from the top, as stored values. Out of memory: from there with smaller tiles."""
        top, sure, told = 0, replace(self.count), 0
        while top < self.layout.size.height:
            try:
                for band, asked in self._bands(top):
                    sure, told = replace(self.count), asked
                    yield band
                    top += len(band[0])
                return
            except (MemoryError, RuntimeError) as error:
                if not runtime.is_out_of_memory(error):
                    raise
                self.count.reset(sure)  # without the tiles of the strip that is begun again
                self._tell(told - self.told)
                self.pulse.drop()
                self._retreat(error)

    def _bands(self, top: int) -> Iterator[tuple[Band, int]]:
        """Rows from there, and how many pixels `advance` had been told when they had been asked for."""
        engine = self.engine
        for planes in self._planes():
            if planes.shared is None and (self._fits(planes) or self._indivisible(planes)):
                self.pulse.begin(self._first_area(top))
                with engine.runtime.computing(), self.pulse.listening():
                    planes.shared = engine.model.encode(planes.lr, self.size, None, planes.sampling)
        asked = (self._asked(strip) for strip in strips(self.layout.size, self._tile(), top))
        for colour, alpha, told in behind(asked, engine.ahead):
            yield (joined(colour), joined(alpha)[..., 0] if self.layout.alpha else None), told

    def _asked(self, strip: list[Window]) -> tuple[list[Part], list[Part], int]:
        """The tiles of a strip, of colour and of alpha, and how many pixels `advance` has been told."""
        windows = [window.shifted(self.shown.top, self.shown.left) for window in strip]
        colour = [self._make(self.colour, window) for window in windows]
        alpha = [self._opacity(window) for window in windows] if self.layout.alpha else []
        return colour, alpha, self.told

    def _first_area(self, top: int) -> int:
        """Pixels of the first tile, at the least; features of the whole picture are made together with it."""
        tile, size = self._tile(), self.layout.size
        return min(tile.height, size.height - top) * min(tile.width, size.width)

    def _fits(self, planes: Planes) -> bool:
        return self.engine.model.encode_bytes(Window.whole(planes.low)) <= self.engine.budget

    def _indivisible(self, planes: Planes) -> bool:
        """Whether even a small tile needs the features of the whole picture, so that they are best made once. Raises
        `OutOfMemory` where they do not fit into what the machine has left."""
        model, whole, size = self.engine.model, Window.whole(planes.low), self.size
        tile = Window(0, 0, min(size.height, SMALLEST_TILE), min(size.width, SMALLEST_TILE))
        if model.region(tile, size, planes.low, planes.sampling) != whole:
            return False
        need = model.encode_bytes(whole)
        if planes.lr.device.type == "cpu" and need > runtime.free_memory():
            raise OutOfMemory(
                f"{self.engine.name} sees a picture as a whole, and for {planes.low} that takes about "
                f"{need / 2**30:.0f} GiB of memory; use a smaller picture or another model"
            )
        return True

    def _planes(self) -> list[Planes]:
        return [self.colour] if self.alpha is None else [self.colour, self.alpha]

    def _opacity(self, window: Window) -> Part:
        if self.alpha is not None:
            return self._make(self.alpha, window)
        made = quantise(np.full((window.height, window.width, 1), self.opacity, np.float32), self.layout.kind)
        return lambda: made

    def _make(self, planes: Planes, window: Window) -> Part:
        """A window of the output as stored values (height, width, channels), here, because floats of a whole strip
        would take much more; what is called for them waits for the device and sees to it that they are good."""
        engine, size = self.engine, self.size
        region = engine.model.region(window, size, planes.low, planes.sampling)
        self.pulse.begin(window.height * window.width)
        with engine.runtime.computing(), self.pulse.listening():
            features = planes.shared if planes.shared is not None else self._features(planes, region)
            made = engine.model.decode(features, window, size, planes.sampling)
            tile = Tile(planes, window, region, made, doubt(made.picture, planes.lr, window, size))
        if engine.ahead:
            self.pulse.end()
            return lambda: self._settled(tile, None)
        values = self._settled(tile, features)
        self.pulse.end()
        return lambda: values

    def _settled(self, tile: Tile, features: Any) -> np.ndarray:
        """The stored values of a tile, made again where it was no good. features: None where they are gone."""
        planes, window, region = tile.planes, tile.window, tile.region
        off, exploded = tile.flags()
        self.count.exploded += exploded
        if not math.isfinite(off):
            part = self._again(planes, window, region)
            off = disagreement(part, planes.lr, window, self.size)
            tile.replace(part)
        self.count.tiles += 1
        self.count.bounded += self._bounded(planes, region)
        self.count.disagreement = max(self.count.disagreement, off)
        if off > LIMIT:
            if features is None:
                features = planes.shared
            tile.replace(self._faithful(planes, features, window, region))
        return tile.stored()

    def _bounded(self, planes: Planes, region: Window) -> bool:
        """Whether a tile is only close to the untiled result: its features were made without all that they depend on,
        or the model itself blends tiles."""
        model = self.engine.model
        if model.tiling != "bounded":
            return False
        return isinstance(model, KeepsPicture) or (planes.shared is None and region != Window.whole(planes.low))

    def _faithful(self, planes: Planes, features: Any, window: Window, region: Window) -> Tensor:
        """A tile that shows what went in, after the model's first answer did not."""
        engine, size = self.engine, self.size
        if planes.sampling.strict:
            raise Unfaithful(
                f"the result of {engine.name} does not match the input around pixel {window.left},{window.top}; "
                "without --strict, srcli redoes such tiles more faithfully"
            )
        self.count.guarded += 1
        for sampling in fallbacks(engine.model, planes.sampling):
            with engine.runtime.computing():
                if sampling is None:
                    break
                if features is None:
                    features = self._features(planes, region)
                part = engine.model.decode(features, window, size, sampling).picture
                if disagreement(part, planes.lr, window, size) <= LIMIT:
                    return part
        with engine.runtime.computing("fp32"):
            return enlarged(planes.lr, window, size)

    def _features(self, planes: Planes, region: Window) -> Any:
        """Features of a tile. What encoding and decoding free has other sizes than what the other asks for: kept, the
        pieces add up to a gigabyte in large pictures."""
        runtime.return_heap()
        features = self.engine.model.encode(planes.lr, self.size, region, planes.sampling)
        runtime.return_heap()
        return features

    def _again(self, planes: Planes, window: Window, region: Window) -> Tensor:
        """A tile in float32, after it was not finite at a lower precision."""
        engine, size = self.engine, self.size
        with engine.runtime.computing("fp32"):
            features = engine.model.encode(planes.lr, size, region, planes.sampling)
            part = engine.model.decode(features, window, size, planes.sampling).picture
        if not torch.isfinite(part).all():
            raise NotFinite(f"{engine.name} gives no finite result at pixel {window.left},{window.top}")
        self.count.redone += 1
        return part

    def _tile(self) -> Size:
        engine, size, planes = self.engine, self.layout.size, self.colour
        if engine.tile:
            return Size(engine.tile, engine.tile)

        def cost(height: int, width: int) -> int:
            window = Window(0, 0, height, width)
            decode = engine.model.decode_bytes(window, self.size, planes.sampling)
            if planes.shared is not None:
                return decode
            region = engine.model.region(window, self.size, planes.low, planes.sampling)
            return max(decode, engine.model.encode_bytes(region))

        # Where the surroundings alone take most of the budget, the smallest tiles would save little and cost much time.
        least = cost(SMALLEST_TILE, SMALLEST_TILE)
        tile = fit_tile(size, cost, max(engine.budget, least + engine.budget // 2))
        # Several strips wait to be written, so each is bounded too.
        row = self.layout.bytes // size.height
        stored = STRIP_STORED if engine.runtime.device.type == "cpu" else STRIP_STORED_GPU
        return Size(min(tile.height, max(SMALLEST_TILE, stored // row)), tile.width)

    def _retreat(self, error: BaseException) -> None:
        """Ask for less, or give up."""
        engine = self.engine
        if engine.tile or engine.budget // 2 < LEAST_BUDGET:
            text = f"out of memory for {self.layout.size}; try a smaller --tile or --device cpu"
            raise OutOfMemory(text) from error
        engine.budget //= 2
        for planes in self._planes():
            planes.shared = None
        runtime.return_heap()
        logging.getLogger("srcli").info("out of memory: strips of half the size from here")
