"""Muon is torch's, for kernels of any memory format; AdamW skips a step on the device; averages are as before."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from srcli.training.muon import Muon
from srcli.training.optimizer import Diverged, Optimizer
from srcli.training.recipe import OptimSpec
from srcli.training.task import move_average

SHAPES = ((24, 8, 3, 3), (24, 8, 3, 3), (40, 4, 1, 1), (12, 40), (24, 8, 3, 3))
SPEC = OptimSpec(name="muon", lr=1e-3, matrix_lr=0.01, weight_decay=0.01, warmup=1, steps=10)


def kernels() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def steps(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], count: int = 4) -> torch.Tensor:
    """Where the parameters go from where they are, one row."""
    start = torch.cat([p.detach().flatten() for p in parameters])
    for n in range(count):
        for k, parameter in enumerate(parameters):
            generator = torch.Generator().manual_seed(100 * n + k)
            numbers = torch.randn(SHAPES[k], generator=generator)
            parameter.grad = numbers.reshape(parameter.shape)
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in parameters]) - start


@pytest.mark.parametrize(("precision", "apart"), [(torch.float32, 0.02), (torch.bfloat16, 1e-6)])
def test_muon_is_torchs_muon(precision, apart):
    """torch's iterates in bfloat16."""
    matrices = [nn.Parameter(p.detach().reshape(len(p), -1)) for p in kernels()]
    theirs = steps(torch.optim.Muon(matrices, lr=0.02, weight_decay=0.01), matrices)
    own = kernels()
    ours = steps(Muon(own, 0.02, 0.01, precision), own)
    assert (ours - theirs).norm() < apart * theirs.norm()


def test_matrices_of_a_shape_are_iterated_together_as_alone():
    muon = Muon(kernels(), 0.02)
    for shape in ((3, 24, 40), (3, 40, 24)):
        matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        together = muon._orthogonal(matrices)
        torch.testing.assert_close(together, torch.stack([muon._orthogonal(m) for m in matrices]), rtol=1e-4, atol=1e-5)
        values = torch.linalg.svdvals(together)
        assert 0.5 < values.min() < values.max() < 1.3


def test_kernels_move_together_as_alone():
    """As they do on a GPU."""
    ends = []
    for together in (True, False):
        parameters = [p for p in kernels() if p.shape == SHAPES[0]]
        muon = Muon(parameters, 0.02)
        for n in range(3):
            for k, parameter in enumerate(parameters):
                parameter.grad = torch.randn(SHAPES[0], generator=torch.Generator().manual_seed(10 * n + k))
            with torch.no_grad():
                for some in [parameters] if together else [[p] for p in parameters]:
                    muon._move(some, 0.02, 1e-3)
        ends.append(parameters)
    assert len(ends[0]) == 3
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_muon_takes_channels_last_kernels_and_does_the_same():
    plain, last = kernels(), [nn.Parameter(p.detach()) for p in kernels()]
    for parameter in last:
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    assert not last[0].is_contiguous()
    moved = [steps(Muon(parameters, 0.02), parameters) for parameters in (plain, last)]
    torch.testing.assert_close(moved[0], moved[1])
    assert last[0].is_contiguous(memory_format=torch.channels_last)


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 3, 3))


def trained(network: nn.Module, optimizer: Optimizer, count: int, gates: tuple[bool, ...] = ()) -> nn.Module:
    for n in range(count):
        x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(n))
        loss = network(x).square().mean()
        optimizer.step(loss, n, gate=torch.tensor(gates[n]) if gates else None)
    return network


def test_a_channels_last_network_learns_as_a_plain_one():
    plain, last = net(), net().to(memory_format=torch.channels_last)
    for network in (plain, last):
        trained(network, Optimizer(network, SPEC), 5)
    for a, b in zip(plain.parameters(), last.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_state_of_one_memory_format_continues_in_the_other():
    whole, parts = net(), net()
    trained(whole, Optimizer(whole, SPEC), 6)
    first = Optimizer(parts, SPEC)
    trained(parts, first, 3)
    parts.to(memory_format=torch.channels_last)
    second = Optimizer(parts, SPEC)
    second.load({k: v.clone() for k, v in first.state().items()})
    for n in range(3, 6):
        x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(n))
        second.step(parts(x).square().mean(), n)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_a_gated_step_changes_nothing(fused):
    """Fused AdamW leaves it out on the device; the other one is not asked."""
    spec = OptimSpec(lr=1e-2, beta1=0.0, weight_decay=1e-2, warmup=1, steps=10)
    one = net()
    trained(one, Optimizer(one, spec, fused=fused), 2)
    other, gates = net(), (True, True, False, False)
    optimizer = Optimizer(other, spec, fused=fused)
    trained(other, optimizer, 4, gates)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert {float(v) for k, v in optimizer.state().items() if k.endswith("step")} == {2.0}
    before = copy.deepcopy(list(other.parameters()))
    optimizer.step(other(torch.ones(1, 3, 16, 16)).square().mean(), 4, gate=torch.tensor(True))
    assert not any(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))


def test_a_gradient_that_is_not_finite_stops_a_run():
    network = net()
    with pytest.raises(Diverged, match="the gradient is nan at step 3"):
        Optimizer(network, SPEC).step((network(torch.ones(1, 3, 16, 16)) * torch.nan).sum(), 3)


def test_averages_move_as_one_by_one():
    torch.manual_seed(0)
    slow, fast = ([torch.randn(shape) for shape in SHAPES] for _ in range(2))
    wanted = [s.clone().lerp_(f, 0.1) for s, f in zip(slow, fast, strict=True)]
    move_average(iter(slow), iter(fast), 0.9)
    assert all(torch.equal(a, b) for a, b in zip(slow, wanted, strict=True))
