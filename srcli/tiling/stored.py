"""Stored values to the device as they are, and back as they will be stored: floats do not cross the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srcli.images.colour import PLAIN, Space
from srcli.images.picture import RANGES, quantise, unit
from srcli.images.tables import seen, thresholds
from srcli.runtime import gpu

CARRIED = {np.dtype(np.uint8): torch.uint8, np.dtype(np.uint16): torch.int16}  # by bits; torch hardly knows uint16


def uploaded(values: np.ndarray, span: tuple[float, float], space: Space, device: torch.device) -> Tensor:
    """Stored values (h, w, C) as what networks see, float32 (C, h, w) on the device."""
    if values.dtype not in RANGES:
        floats = space.to_network(unit(values, span))
        return _sent(floats, device).permute(2, 0, 1)
    bits = values if values.dtype == np.uint8 else values.view(np.int16)
    index = _sent(bits, device).int().flatten()
    if values.dtype == np.uint16:
        index = index.bitwise_and_(0xFFFF)
    table = torch.from_numpy(seen(values.dtype, space)).to(device)
    return table.index_select(0, index).view(values.shape).permute(2, 0, 1)


def _sent(values: np.ndarray, device: torch.device) -> Tensor:
    # Pictures that others hold may be read-only, which torch has no word for.
    here = torch.from_numpy(np.require(values, requirements=["C", "W"]))
    return here.to(device) if gpu(device) is None else here.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """How results are stored.

    kind: number type.
    span: black and white of floats.
    """

    kind: np.dtype
    span: tuple[float, float] = (0.0, 1.0)
    space: Space = PLAIN

    @property
    def curved(self) -> bool:
        return self.space.curve is not None

    def packed(self, part: Tensor) -> Tensor:
        """A network's picture (1, C, h, w), on its device, as stored values (h, w, C) for `unpacked`: clipped, on the
        picture's tone curve, quantised."""
        values = part[0].float()
        if self.kind in RANGES and self.curved:
            steps = torch.from_numpy(thresholds(self.kind, self.space)).to(values.device)
            levels = torch.bucketize(values.contiguous(), steps, out_int32=True, right=True)
        elif self.kind in RANGES:
            levels = values.clamp(0, 1).mul_(RANGES[self.kind]).round_()
            levels = levels if self.kind == np.uint8 else levels.int()
        elif self.curved:
            return values.permute(1, 2, 0).contiguous()
        else:
            low, high = self.span
            levels = values.clamp(0, 1).mul_(float(np.float32(high - low))).add_(float(np.float32(low)))
        return levels.to(CARRIED.get(self.kind, torch.float32)).permute(1, 2, 0).contiguous()

    def unpacked(self, packed: Tensor) -> np.ndarray:
        """What `packed` gave, once it is on the CPU."""
        values = packed.numpy()
        if self.kind in RANGES:
            return values.view(self.kind)
        # The curve of floats has no table.
        return quantise(self.space.from_network(values), self.kind, self.span) if self.curved else values


class Coming:
    """A tensor on its way from the device to the CPU, which goes on meanwhile."""

    def __init__(self, tensor: Tensor) -> None:
        self.arrival: Any = None
        backend = gpu(tensor.device)
        if backend is None:
            self.tensor = tensor.cpu()
            return
        self.tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self.tensor.copy_(tensor, non_blocking=True)
        self.arrival = backend.Event()
        self.arrival.record(backend.current_stream(tensor.device))

    def here(self) -> Tensor:
        """Waits for it."""
        if self.arrival is not None:
            self.arrival.synchronize()
        return self.tensor
