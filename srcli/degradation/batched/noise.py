"""Noise of many squares, each of its own strength and kind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srcli.degradation.batched.squares import Squares, constant, on, whole
from srcli.degradation.synthetic import LUMA, Noise


def noisy(squares: Squares, noises: Sequence[Noise], generator: torch.Generator) -> Tensor:
    """The pixels of squares with noise (`synthetic.noisy`), drawn from a generator on their device; the seeds of the
    noises are not used."""
    of = {kind: [n for n, noise in enumerate(noises) if noise.kind == kind] for kind in ("gaussian", "poisson")}
    squares = squares.changed(
        of["gaussian"], lambda some: _gaussian(some.pixels, [noises[n] for n in of["gaussian"]], generator)
    )
    return squares.changed(
        of["poisson"], lambda some: _poisson(some.pixels, [noises[n] for n in of["poisson"]], generator)
    ).pixels


def _gaussian(pixels: Tensor, noises: Sequence[Noise], generator: torch.Generator) -> Tensor:
    normal = torch.randn(pixels.shape, generator=generator, device=pixels.device)
    sigma, grey = _numbers(pixels, noises)
    return whole(pixels + torch.where(grey, normal[:, :1], normal) * sigma)


def _poisson(pixels: Tensor, noises: Sequence[Noise], generator: torch.Generator) -> Tensor:
    sigma, grey = _numbers(pixels, noises)
    luma = (pixels * constant(tuple(LUMA.tolist()), pixels.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    levels = torch.where(grey, luma, pixels).clamp_min(0)
    counts = 255 / sigma.square()  # photons per 8-bit step
    change = torch.poisson(levels * counts, generator=generator) / counts - levels
    return whole(pixels + torch.where(grey, change[:, :1], change))


def _numbers(pixels: Tensor, noises: Sequence[Noise]) -> tuple[Tensor, Tensor]:
    """Strengths, and which are grey, (B, 1, 1, 1)."""
    sigma, grey = on(pixels, [(n.sigma, float(n.grey)) for n in noises]).T[..., None, None, None]
    return sigma, grey > 0
