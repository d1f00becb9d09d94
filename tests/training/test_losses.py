"""Losses see what they are for and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from srcli.training import losses


def test_periodic_loss_sees_a_grid_and_not_texture():
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 48, 48)
    grid = torch.zeros(1, 3, 48, 48)
    grid[..., ::3, :] = 0.05
    texture = 0.05 * torch.rand(1, 3, 48, 48)
    assert losses.patch_periodic(photo, photo) == 0
    assert losses.patch_periodic(photo + grid, photo) > 4 * losses.patch_periodic(photo + texture, photo)


def test_log_square_is_psnr_but_for_factor_and_sign():
    photo = torch.rand(3, 40, 40)[None]
    worse, much_worse = photo + 0.02, photo + 0.04
    gap = losses.log_square(much_worse, photo) - losses.log_square(worse, photo)
    assert gap.item() == pytest.approx(20 * math.log10(2) * math.log(10) / 10, rel=0.03)
    assert torch.isfinite(losses.log_square(photo, photo))


def test_blocks_of_any_contrast_are_a_weave_and_smooth_pictures_have_none():
    torch.manual_seed(0)
    small = torch.rand(1, 3, 24, 24)
    blocks, smooth = (F.interpolate(small, scale_factor=4.0, mode=m) for m in ("nearest", "bicubic"))
    texture = torch.rand(1, 3, 96, 96)
    texture = texture * (blocks.std() / texture.std())
    flat = torch.zeros_like(blocks)
    assert losses.weave(blocks, blocks) == 0
    assert losses.weave(blocks, flat) > 8 * losses.weave(smooth, flat)
    assert losses.weave(blocks, flat) > 4 * losses.weave(texture, flat)
    # The mean over blocks is the same at all places, which is why another loss is needed.
    assert losses.patch_periodic(blocks - smooth, flat, 4, (8,)) < losses.patch_periodic(texture, flat, 4, (8,))
