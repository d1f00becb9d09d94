"""The equations of the learned prior in numbers that are known."""

from __future__ import annotations

import math

import pytest
import torch

from srcli.flows.learned_prior import latent_loss, lost_detail, normalised, perceptual_loss


def test_latents_are_normalised_over_the_channels_of_each_position():
    latent = torch.tensor([[1.0, 2.0, 3.0], [10.0, 10.0, 40.0]]).T[None, :, :, None]  # (1, 3, 2, 1)
    made = normalised(latent)[0, :, :, 0].T
    assert made[0].tolist() == pytest.approx([-1.0, 0.0, 1.0])  # the unbiased deviation of 1, 2, 3 is 1
    assert made[1].tolist() == pytest.approx([-1 / math.sqrt(3), -1 / math.sqrt(3), 2 / math.sqrt(3)])
    assert torch.equal(normalised(torch.full((1, 4, 2, 2), 7.0)), torch.zeros(1, 4, 2, 2))


@pytest.mark.parametrize("loss", [latent_loss, perceptual_loss])
def test_levels_count_alike_whatever_their_size(loss):
    predicted = [torch.zeros(1, 1, 2, 2), torch.zeros(1, 8, 1, 1)]
    wanted = [torch.full((1, 1, 2, 2), 3.0), torch.full((1, 8, 1, 1), -1.0)]
    assert loss(predicted, wanted).item() == pytest.approx(2.0)
    assert loss(wanted, wanted).item() == 0
    with pytest.raises(ValueError, match="shorter"):
        loss(predicted, wanted[:1])


def test_nothing_is_lost_of_what_the_small_picture_holds():
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert lost_detail(flat, (2, 2)).abs().max() < 1e-6
    # Checks of single pixels are grey at half the size: all of them is lost.
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4)[None, None]
    torch.testing.assert_close(lost_detail(checks, (4, 4)), checks)
