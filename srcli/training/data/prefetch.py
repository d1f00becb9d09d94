"""Batches of consecutive steps, drawn in the background, and their way to a device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor

from srcli.training.data.shown import Shown

B_co = TypeVar("B_co", covariant=True)


def sent(tensor: Tensor, device: str) -> Tensor:
    """A tensor on a device; a GPU takes it while the program goes on."""
    if tensor.is_cpu and device.startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Crops(Protocol[B_co]):
    """How a batch is cut: `draw` is a function of photos, seed and step alone."""

    @property
    def shortest(self) -> int: ...

    @property
    def preset(self) -> str | None: ...

    def draw(self, photos: Any, seed: int, step: int) -> B_co: ...

    def show(self, photos: Any, seed: int, step: int) -> list[Shown]: ...


class Prefetch(Generic[B_co]):
    """Batches of consecutive steps, the next one drawn in the background while the current one trains."""

    def __init__(self, photos: Any, spec: Crops[B_co], seed: int, first_step: int) -> None:
        self._draw = lambda step: spec.draw(photos, seed, step)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="crops")
        self._step = first_step
        self._next = self._pool.submit(self._draw, first_step)

    def __next__(self) -> B_co:
        batch = self._next.result()
        self._step += 1
        self._next = self._pool.submit(self._draw, self._step)
        return batch

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
