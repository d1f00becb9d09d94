"""How far a tile is while a network computes it, from the layers and stages that are done."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

PAUSE = 0.1  # seconds between two reports
SURE = 0.8  # share of a tile up to which the number of layers is taken at its word

_listening = threading.local()  # pulses of this thread's tiles


class Pulse:
    """Counts the layers of a tile and tells its pixels bit by bit; after the tile, what is missing.

    How many layers a tile runs is known from the tile before. Before the first one it is taken to be each layer once.
    report: told pixels that are done.
    """

    def __init__(self, expected: int, report: Callable[[int], None]) -> None:
        self.expected, self.report = max(1, expected), report
        self.area = self.told = self.layers = 0
        self.last = time.monotonic()

    def begin(self, area: int) -> None:
        """A tile of that many pixels begins. Layers that were run for all tiles together count for the next one."""
        self.area = area

    def step(self) -> None:
        """A layer is done."""
        self.layers += 1
        now = time.monotonic()
        if self.area and now - self.last >= PAUSE:
            self.last = now
            pixels = int(self.area * self._share())
            if pixels > self.told:
                self.report(pixels - self.told)
                self.told = pixels

    def end(self) -> None:
        """The tile is done."""
        self.report(self.area - self.told)
        self.expected = max(1, self.layers)
        self.drop()

    def drop(self) -> None:
        """The tile is given up; what was told of it is the caller's to take back."""
        self.layers = self.area = self.told = 0

    def _share(self) -> float:
        share = self.layers / self.expected
        return share if share < SURE else 1 - (1 - SURE) * math.exp(-(share - SURE) / (1 - SURE))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the layers that this thread runs."""
        before = getattr(_listening, "pulse", None)
        _listening.pulse = self
        try:
            yield
        finally:
            _listening.pulse = before


def beat(*_: Any) -> None:
    """A layer or a stage is done: a forward hook."""
    if (pulse := getattr(_listening, "pulse", None)) is not None:
        pulse.step()


def watch(model: Any) -> int:
    """Let the layers of a model's networks be heard. Returns their number."""
    layers = {
        id(layer): layer
        for network in getattr(model, "__dict__", {}).values()
        if isinstance(network, nn.Module)
        for layer in network.modules()
        if not list(layer.children()) and list(layer.parameters(recurse=False))
    }
    for layer in layers.values():
        if beat not in layer._forward_hooks.values():
            layer.register_forward_hook(beat)
    return len(layers)
