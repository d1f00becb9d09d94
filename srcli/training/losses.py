"""Losses on images and patches. Images are RGB in [0, 1]; every function returns a mean over the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.networks.linf import to_patches

BT601 = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """BT.601 luma (B, 1, H, W) of RGB (B, 3, H, W)."""
    return (image * image.new_tensor(BT601).view(1, 3, 1, 1)).sum(1, keepdim=True)


def pixel(sr: Tensor, hr: Tensor) -> Tensor:
    """L1 over RGB and over luma, half each: benchmarks judge luma, eyes also see colour."""
    error = sr - hr
    return 0.5 * error.abs().mean() + 0.5 * luma(error).abs().mean()


def patch_periodic(sr: Tensor, hr: Tensor, patch: int = 3, window: int = 4) -> Tensor:
    """How much of the error repeats with the patch grid: (B, 3, H, W) to a scalar.

    The error of each place within the patch, minus the patch's mean, averaged over window x window patches. A grid
    survives that average, texture does not.
    """
    error = to_patches(sr - hr, patch).unflatten(1, (3, patch * patch))
    error = (error - error.mean(2, keepdim=True)).flatten(1, 2)
    return F.avg_pool2d(error, window, stride=max(1, window // 2)).abs().mean()


def relativistic_pair(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic paired GAN loss of the side that wants `real` above `fake` (Jolicoeur-Martineau 2018)."""
    return F.softplus(fake - real).mean()
