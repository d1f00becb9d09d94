"""One number per sample, spread over the values of that sample."""

from __future__ import annotations

from torch import Tensor


def across(values: Tensor, dims: int = 4) -> Tensor:
    """Times or weights (B,) as (B, 1, ...), ready to be multiplied with tensors of `dims` dimensions."""
    return values.view(-1, *(1,) * (dims - 1))


def total(values: Tensor) -> Tensor:
    """The sum over each sample: (B, ...) to (B,)."""
    return values.sum(tuple(range(1, values.dim())))
