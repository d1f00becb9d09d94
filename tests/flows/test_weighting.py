"""How losses are weighted: by an uncertainty that is learned, or by their own size."""

from __future__ import annotations

import torch

from srcli.flows import flow_maps as flow_map
from srcli.methods.flowmap.uncertainty import Uncertainty


def test_uncertainty_begins_alike_everywhere_and_finds_the_loss_to_expect():
    torch.manual_seed(0)
    weights = Uncertainty()
    s, t = torch.rand(64), torch.ones(64)
    assert torch.equal(weights(0, s, t), torch.full((64,), -4.0))
    optimizer = torch.optim.Adam(weights.parameters(), lr=1e-2)
    loss = 0.01 + 0.2 * s  # each place has its own
    for _ in range(400):
        optimizer.zero_grad()
        flow_map.weighted(loss, weights(1, s, t)).backward()
        optimizer.step()
    torch.testing.assert_close(weights(1, s, t).exp(), loss, rtol=0.25, atol=0)
    assert torch.equal(weights(0, s, t), torch.full((64,), -4.0))


def test_normalised_losses_have_bounded_weight():
    loss = torch.tensor([1e-6, 0.1, 100.0], requires_grad=True)
    value = flow_map.normalised(loss, 1.0)
    torch.testing.assert_close(value, loss / (loss + 1e-3))
    value.sum().backward()
    torch.testing.assert_close(loss.grad, 1 / (loss.detach() + 1e-3))
    assert torch.equal(flow_map.normalised(loss, 0.0), loss)
