"""Patches folded from pixels and back, and the notch that takes out their grid."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from srcli.networks.notch import Notch
from srcli.networks.patches import from_patches, to_patches


def patches_of(image: torch.Tensor) -> torch.Tensor:
    return to_patches(image[None], 3).permute(0, 2, 3, 1)


def test_notch_takes_out_the_patch_grid_and_leaves_edges_and_texture():
    notch, line = Notch(3), torch.arange(90) % 3 == 0
    columns = (line * 1.0).expand(3, 60, 90)  # a line in every patch; one level per row of patches
    columns = columns * torch.rand(20).repeat_interleave(3)[:, None]
    left = notch(patches_of(columns))
    assert (left - left.mean(-1, keepdim=True)).abs().max() < 1e-6
    assert torch.allclose(left.mean((2, 3)), patches_of(columns).mean((2, 3)))
    edge = (torch.arange(60) == 30).float()[:, None].expand(3, 60, 90)  # one horizontal line, along a row of patches
    assert (notch(patches_of(edge)) - patches_of(edge)).abs().max() < 0.07
    noise = torch.randn(3, 60, 90)
    assert notch(patches_of(noise)).var() > 0.85 * noise.var()


def test_notch_is_a_mean_over_seventeen_patches():
    x, width = torch.randn(1, 1, 30, 27), 30
    weights = torch.tensor([0.5, *[1.0] * 15, 0.5])
    columns = x.view(1, 1, 30, 3, 3, 3) - x.view(1, 1, 30, 3, 3, 3).mean(-1, keepdim=True)
    expected = x.clone().view_as(columns)
    for i in range(width):
        near = [(weights[k + 8], columns[0, 0, i + k]) for k in range(-8, 9) if 0 <= i + k < width]
        expected[0, 0, i] -= sum(w * d for w, d in near) / sum(w for w, _ in near)
    # One row of patches: along its column a patch is its own average.
    expected = expected - (expected - expected.mean(-2, keepdim=True))
    torch.testing.assert_close(Notch(3)(x), expected.flatten(3))


def test_patches_are_in_unfold_order():
    image = torch.arange(2 * 3 * 6 * 9).float().view(2, 3, 6, 9)
    expected = F.unfold(image, 3, stride=3).view(2, 27, 2, 3)
    assert torch.equal(to_patches(image, 3), expected)
    assert torch.equal(from_patches(expected, 3), image)
