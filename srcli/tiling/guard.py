"""Whether a result still shows the picture it was made from.

A network that meets what it never saw can answer with anything. Made small again, its answer must agree with what went
in: not pixel by pixel, because a restorer is meant to take noise and JPEG blocks away, but in the means of small areas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from srcli.errors import SrcliError
from srcli.geometry import Size, Window
from srcli.tiling.model import Model, Sampling

CELL = 8  # low-resolution pixels a side of the areas whose means are compared
LEAST = 4  # of an area that counts in full: means of fewer pixels differ by themselves
# Largest difference of two means, black 0 and white 1: `benchmarks/quality/guard.py` prints what pictures have.
LIMIT = 0.1


class Unfaithful(SrcliError):
    """A result that does not show what went in, where that is to be an error."""

    reason = "unfaithful"


@dataclass(frozen=True, slots=True)
class Doubt:
    """How far local means of a result lie from those of its low-resolution picture.

    most: the largest difference, () on the device; NaN or infinite where the result is not finite.
    weight: below 1 where areas are too small to count in full.
    """

    most: Tensor
    weight: float


def disagreement(made: Tensor, lr: Tensor, window: Window, size: Size) -> float:
    """Largest difference between the local means of a result and those of its low-resolution picture; NaN or infinite
    where the result is not finite. Waits for the device.

    made: (1, 3, height, width), the window of the whole output of `size`; lr: (1, 3, h, w); both in about [0, 1].
    """
    found = doubt(made, lr, window, size)
    return found.weight * float(found.most)


def doubt(made: Tensor, lr: Tensor, window: Window, size: Size) -> Doubt:
    """`disagreement` before it is read from the device."""
    sides = (
        (window.top, window.height, lr.shape[-2], size.height),
        (window.left, window.width, lr.shape[-1], size.width),
    )
    rows, cols = (
        torch.linspace(first, first + length, max(1, round(length * low / (CELL * high))) + 1, dtype=torch.float64)
        for first, length, low, high in sides
    )
    wanted = _means(lr, rows * (lr.shape[-2] / size.height), cols * (lr.shape[-1] / size.width))
    area = float((rows[1] - rows[0]) * (cols[1] - cols[0])) * lr.shape[-2] * lr.shape[-1] / (size.height * size.width)
    most = (_means(made, rows - window.top, cols - window.left) - wanted).abs().amax()
    return Doubt(most, min(1.0, math.sqrt(area) / LEAST))


def _means(image: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Means (1, 3, n, m) of the areas between n + 1 rows and m + 1 columns of an image, in pixels with fractions."""
    top, down = _shares(rows, image.shape[-2], image.device)
    left, across = _shares(cols, image.shape[-1], image.device)
    part = image[..., top : top + down.shape[1], left : left + across.shape[1]].float()
    return down @ part @ across.mT


def _shares(edges: Tensor, length: int, device: torch.device) -> tuple[int, Tensor]:
    """The first pixel that lies between the outer edges, and the share (n, pixels) of each pixel in each interval, on
    the device."""
    first, last = int(edges[0] + 1e-6), min(length, int((edges[-1] - 1e-6).ceil()))
    start, count = torch.arange(first, last, dtype=torch.float64), len(edges) - 1
    # Intervals are longer than a pixel where there are several, so that one lies in two at the most.
    mine = (torch.searchsorted(edges, start, right=True) - 1).clamp_(0, count - 1)
    index = torch.stack([mine, mine + 1])
    low, high = edges[index.clamp_max(count - 1)], edges[(index + 1).clamp_max(count)]
    inside = (torch.minimum(high, start + 1) - torch.maximum(low, start)).clamp_min(0)
    shares = torch.zeros(count + 1, last - first, device=device)  # one row more, for the last one's missing neighbour
    shares.scatter_(0, index.to(device), (inside / (high - low)).float().to(device))
    return first, shares[:count]


def fallbacks(model: Model, sampling: Sampling) -> Iterator[Sampling | None]:
    """How to make a tile again, ever more faithfully; None: by interpolation alone."""
    if model.most_detail and sampling.detail:
        yield replace(sampling, detail=sampling.detail / 2)
        yield replace(sampling, detail=0.0, temperature=0.0)
    elif sampling.temperature:
        yield replace(sampling, temperature=0.0)
    yield None
