"""Blurs of many squares, each with a kernel of its own, by FFT."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.degradation.batched.squares import Squares, on, reflected, whole
from srcli.degradation.kernels import MAX_SIDE, SINC_HALF, Blur

HALF = MAX_SIDE // 2
BLOCK = 32  # sizes of transforms are multiples of it: few sizes, whose plans a GPU keeps


def blurred(squares: Squares, blurs: Sequence[Blur]) -> Tensor:
    """The pixels of squares blurred by one kernel each. Borders are mirrored, the outermost pixel is not repeated."""
    kernel = kernels(blurs, squares.pixels)
    length = -(-(squares.canvas + 2 * HALF) // BLOCK) * BLOCK
    sides = on(squares.pixels, squares.sides)[:, None]
    places = reflected(torch.arange(length, device=sides.device) - HALF, sides)
    spread = F.pad(kernel, (0, length - MAX_SIDE, 0, length - MAX_SIDE))
    product = torch.fft.rfft2(squares.at(places, places)) * torch.fft.rfft2(spread)[:, None]
    inner = slice(2 * HALF, 2 * HALF + squares.canvas)
    return whole(torch.fft.irfft2(product, s=(length, length))[..., inner, inner])


def kernels(blurs: Sequence[Blur], beside: Tensor) -> Tensor:
    """The kernels of blurs (`Blur.kernel`) in the middle of (B, 31, 31), on the device of another tensor."""
    at = torch.arange(-HALF, HALF + 1, device=beside.device, dtype=torch.float32)
    y, x = at[:, None], at[None]
    cutoff, angle, shape, first, second, half, sinc, plateau = on(beside, [_numbers(blur) for blur in blurs]).T[
        ..., None, None
    ]
    along, across = (x * angle.cos() + y * angle.sin()) / first, (y * angle.cos() - x * angle.sin()) / second
    squared = (along.square() + across.square()).clamp_min(1e-30)  # of which powers have no infinite derivative
    power = squared.pow(shape)
    bell = torch.where(plateau > 0, 1 / (power + 1), torch.exp(-0.5 * power))
    radius = torch.hypot(*torch.broadcast_tensors(x, y))
    ring = cutoff * bessel1(cutoff * radius) / (2 * math.pi * radius.clamp_min(0.5))
    ring = torch.where(radius > 0, ring, cutoff.square() / (4 * math.pi))
    kernel = torch.where(sinc > 0, ring, bell) * ((x.abs() <= half) & (y.abs() <= half))
    return kernel / kernel.sum((1, 2), keepdim=True)


def bessel1(x: Tensor) -> Tensor:
    """Bessel function J1 as an integral over a period (`srcli.degradation.kernels.bessel1`)."""
    angle = (torch.arange(64, device=x.device) + 0.5) * (math.pi / 64)
    return torch.cos(angle - x[..., None] * angle.sin()).mean(-1)


def _numbers(blur: Blur) -> tuple[float, ...]:
    """cutoff, angle, shape, both sigmas, half a side; 1 for a sinc and for a plateau, else 0."""
    sinc = blur.kind == "sinc"
    first, second = (max(sigma, 1e-3) for sigma in blur.sigma)
    half = SINC_HALF if sinc else blur.half
    return blur.cutoff, blur.angle, blur.shape, first, second, half, float(sinc), float(blur.kind == "plateau")
