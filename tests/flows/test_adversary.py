"""The losses of a pair of pictures and the penalties of their judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.flows import flow_maps as flow_map
from srcli.training import losses


def test_the_pair_losses_have_their_values():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    of_generator = (F.softplus(torch.tensor(1.5)) + F.softplus(torch.tensor(-4.0))) / 2
    of_judge = (F.softplus(torch.tensor(-1.5)) + F.softplus(torch.tensor(4.0))) / 2
    assert flow_map.generator_loss(real, fake).item() == pytest.approx(of_generator.item())
    assert losses.relativistic_pair(real, fake).item() == pytest.approx(of_judge.item())


@pytest.mark.parametrize("penalty", [0.0, 1.0, 3.0])
def test_the_penalties_are_the_squared_gradients_at_both_kinds(penalty):
    torch.manual_seed(0)
    real, fake, slope = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.randn(2, 4, 4)
    strength = torch.tensor(2.0, requires_grad=True)

    def judge(image: Tensor) -> Tensor:
        return strength * (slope * image.square()).flatten(1).sum(1)

    made = flow_map.discriminator_loss(judge, real, fake, penalty)
    pair = losses.relativistic_pair(judge(real), judge(fake))

    def mean_square(image: Tensor) -> Tensor:
        return (2 * strength * slope * image).square().flatten(1).sum(1).mean()

    expected = pair + penalty / 2 * (mean_square(real) + mean_square(fake))
    assert made.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = [torch.autograd.grad(value, strength)[0].item() for value in (made, expected)]
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-4)


def test_the_penalty_does_not_depend_on_how_many_logits_there_are():
    image = torch.randn(2, 1, 8, 8, requires_grad=True)

    def of(logits: Callable[[Tensor], Tensor]) -> float:
        return flow_map.gradient_penalty(logits(image), image).item()

    assert of(lambda i: 3 * i) == pytest.approx(9.0)
    assert of(lambda i: 3 * i[..., :2, :2]) == pytest.approx(9.0)
