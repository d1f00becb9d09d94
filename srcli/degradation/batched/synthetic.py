"""Drawn degradations (`srcli.degradation.synthetic`) applied to many squares at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from srcli.degradation.batched.blur import blurred
from srcli.degradation.batched.jpeg import jpeg
from srcli.degradation.batched.noise import noisy
from srcli.degradation.batched.resize import resized
from srcli.degradation.batched.squares import Squares
from srcli.degradation.synthetic import Degradation, Round


def degraded(
    photos: Squares, degradations: Sequence[Degradation], sides: Sequence[int], generator: torch.Generator
) -> Squares:
    """Photos degraded to other sides, each by its own degradation.

    The same as `Degradation.__call__` one by one, but for rounding and for noise, which comes from a generator on the
    photos' device.
    """
    middle = [max(1, round(side * d.first.size)) for d, side in zip(degradations, sides, strict=True)]
    first, second = [d.first for d in degradations], [d.second for d in degradations]
    sinc = [d.sinc for d in degradations]
    early = [None if d.sinc_last else d.sinc for d in degradations]
    late = [blur if d.sinc_last else None for d, blur in zip(degradations, sinc, strict=True)]
    made = _round(photos, first, middle, generator)
    made = _where(made, [r.jpeg for r in first], jpeg)
    made = _round(made, second, sides, generator)
    made = _where(made, early, blurred)
    made = _where(made, [r.jpeg for r in second], jpeg)
    return _where(made, late, blurred)


def _round(squares: Squares, rounds: Sequence[Round], sides: Sequence[int], generator: torch.Generator) -> Squares:
    """Blur, size and noise of a round."""
    squares = _where(squares, [r.blur for r in rounds], blurred)
    squares = resized(squares, sides, [r.resizer for r in rounds])
    return _where(squares, [r.noise for r in rounds], lambda some, noises: noisy(some, noises, generator))


def _where(squares: Squares, parts: Sequence[Any], change: Callable[[Squares, list[Any]], Tensor]) -> Squares:
    """Change the squares that have a part of a degradation, not None."""
    rows = [n for n, part in enumerate(parts) if part is not None]
    return squares.changed(rows, lambda some: change(some, [parts[n] for n in rows]))
