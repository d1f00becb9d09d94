"""The rectified flow learns: its times, the equations of its losses, and where they do not count."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from srcli.flows.rectified import interpolate
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.flowsr.times import Times
from srcli.methods.flowsr.training import FlowsrTask, end
from srcli.metrics.trunks import load_trunk
from srcli.networks.trunks import squeezenet
from srcli.training import losses, recipe
from srcli.training.data.degraded import DegradedBatch
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from tests.methods.flowsr.steps import TINY, awake, small

RUNNER = CliRunner()


@pytest.mark.parametrize("intervals", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["fast-slow", "slow", "fast"])
def test_pairs_of_times_lie_on_their_grids(kind, intervals):
    if kind == "fast" and intervals == 1:
        with pytest.raises(RecipeError):
            Times(kind, 1)
        return
    times = Times(kind, intervals, slow=1000)
    later, near = (v * 1000 for v in times.pairs(4000, torch.device("cpu")))
    length = 1000 // intervals
    for v in (later, near):
        assert torch.allclose(v, v.round(), atol=1e-3)
    later, near = later.round().long(), near.round().long()
    assert (near >= 1).all()
    assert (later > near).all()
    assert later.max() == 1000
    fast_later, fast_near = later % length == 0, near % length == 0
    if kind == "slow":
        assert ((later - near) == 1).all()
    elif kind == "fast":
        assert (fast_later & fast_near & (later - near == length)).all()
    else:
        assert (fast_later | fast_near).all()
        assert (later - near <= length).all()
        assert 0.45 < (fast_later & ~fast_near).float().mean() <= 1
        if intervals > 1:
            assert 0.45 < fast_near.float().mean() < 0.55


def test_single_times_are_on_the_slow_grid_and_often_the_start():
    t = Times(start_share=0.4).draw(4000, torch.device("cpu"))
    assert t.min() >= 0.001
    assert t.max() == 1
    assert 0.36 < (t == 1).float().mean() < 0.44
    with pytest.raises(RecipeError):
        Times("sometimes")
    with pytest.raises(RecipeError):
        Times(intervals=7)


def fixed_times(single: float, later: float, near: float) -> SimpleNamespace:
    def several(value: float, count: int) -> Tensor:
        return torch.full((count,), value)

    return SimpleNamespace(
        draw=lambda count, device: several(single, count),
        pairs=lambda count, device: (several(later, count), several(near, count)),
    )


def task_of(text: str, tmp_path: Path, flow: VelocityNet | None = None) -> FlowsrTask:
    (tmp_path / "recipe.toml").write_text(text)
    chosen = recipe.load(str(tmp_path / "recipe.toml"))
    file = None
    if flow is not None:
        file = tmp_path / "flow.safetensors"
        contiguous = {k: v.contiguous() for k, v in flow.state_dict().items()}
        save_file(contiguous, file, {"architecture": json.dumps(chosen.architecture)})
    task = make_task(chosen, file and str(file))
    assert isinstance(task, FlowsrTask)
    return task


@pytest.fixture
def _float32(monkeypatch):
    monkeypatch.setattr("srcli.runtime.best_precision", lambda device: ("fp32", "for exact numbers"))


@pytest.mark.usefixtures("_float32")
def test_loss_of_the_flow_is_equation_7(tmp_path):
    task = task_of(TINY.replace("perceptual = 0.01\nperiodic = 0.1\n", "").replace("STEPS", "5"), tmp_path)
    network = awake(task.network)
    task.times = fixed_times(0.6, 1.0, 0.5)
    batch = DegradedBatch(torch.rand(3, 3, 24, 24), torch.rand(3, 3, 24, 24), *torch.ones(2, 3))
    name, loss, values = next(task.losses(batch, 0))
    hr, lr = batch.hr * 2 - 1, batch.lr * 2 - 1
    x = 0.4 * hr + 0.6 * lr
    expected = (x - 0.6 * network(x, torch.full((3,), 0.6)) - hr).square().mean()
    assert name == "network"
    assert values["l2"] == pytest.approx(expected.item(), rel=1e-4)
    assert loss.item() == pytest.approx(10 * expected.item(), rel=1e-4)


@pytest.mark.usefixtures("_float32")
@pytest.mark.parametrize("terms", ["both", "cd", "hr"])
def test_consistency_is_equation_6(tmp_path, terms):
    text = TINY.replace("perceptual = 0.01\nperiodic = 0.1\n", f'consistency = 0.5\n[options]\nterms = "{terms}"\n')
    task = task_of(text.replace("STEPS", "5"), tmp_path, small(3))
    teacher, target, network = task.teacher, task.networks["target"], task.network
    assert all(torch.equal(a, b) for a, b in zip(teacher.parameters(), network.parameters(), strict=True))
    for seed, other in ((4, target), (5, network)):  # three different networks
        other.load_state_dict(small(seed).state_dict())
    task.times = fixed_times(0.6, 0.75, 0.5)
    batch = DegradedBatch(torch.rand(4, 3, 24, 24), torch.rand(4, 3, 24, 24), *torch.ones(2, 4))
    _, loss, values = next(task.losses(batch, 0))
    hr, lr = batch.hr[2:] * 2 - 1, batch.lr[2:] * 2 - 1  # other samples than those of the flow's loss
    later, near, full = torch.full((2,), 0.75), torch.full((2,), 0.5), torch.ones(2)
    with torch.no_grad():
        start = interpolate(hr, lr, later)
        reached = start - 0.25 * teacher(start, later)
        cd = ((end(network, start, later, full) - end(target, reached, near, full)).square() + 1e-6).sqrt().mean()
        to_photo = ((end(network, reached, near, full) - hr).square() + 1e-6).sqrt().mean()
    expected = {"both": cd + to_photo, "cd": cd, "hr": to_photo}[terms]
    assert values["consistency"] == pytest.approx(expected.item(), rel=1e-4)
    assert loss.item() == pytest.approx(10 * values["l2"].item() + 0.5 * expected.item(), rel=1e-4)
    loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())
    assert all(p.grad is None for p in (*teacher.parameters(), *target.parameters()))


@pytest.mark.usefixtures("_float32")
def test_the_flat_part_of_the_distance_compares_with_the_target_network(tmp_path):
    """Not with the photo, which supervises through the second term of eq. 6 alone; it only tells what is flat."""
    losses = 'consistency = 0.5\n[options]\nterms = "cd"\nflat = 8.0\ndistance_flat = 100.0\n'
    text = TINY.replace("perceptual = 0.01\nperiodic = 0.1\n", losses)
    task = task_of(text.replace("STEPS", "5"), tmp_path, small(3))
    a, b = torch.rand(2, 1, 3, 24, 24) * 2 - 1
    bright, dark = torch.full_like(a, 0.9), torch.full_like(a, -0.9)
    assert task._distance(a, b, bright, None) == task._distance(a, b, dark, None) > task._distance(a, a, dark, None)


def test_target_follows_the_network(tmp_path):
    text = TINY.replace("perceptual = 0.01\nperiodic = 0.1\n", "consistency = 0.5\n[options]\ntarget_ema = 0.9\n")
    task = task_of(text.replace("STEPS", "5"), tmp_path, small(3))
    batch = DegradedBatch(torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24), *torch.ones(2, 2))
    before = task.networks["target"].head.weight.clone()
    for _ in task.losses(batch, 0):
        task.network.head.weight.data.add_(1.0)  # what the loop's optimizer does
    torch.testing.assert_close(task.networks["target"].head.weight, before + 0.1)


def test_hinge_and_charbonnier_have_their_values():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.5])
    assert losses.hinge(real, fake).item() == pytest.approx(0.25 + 0.75)
    a, b = torch.tensor([0.0, 3.0]), torch.tensor([0.0, -1.0])
    assert losses.charbonnier(a, b, floor=3.0).item() == pytest.approx((3 + 5) / 2)


def test_floor_bounds_the_perceptual_gradient_where_activations_are_weak():
    torch.manual_seed(0)
    state = {k: v * (0 if k.endswith("bias") else 1) for k, v in squeezenet().state_dict().items()}
    trunk = load_trunk("squeeze", state, "random weights without biases")
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)  # what the trunk sees as 0
    photo = mean.expand(1, 3, 64, 64).clone()
    photo[..., 32:] = torch.rand(3, 64, 32)

    def share(floor: float) -> float:
        made = (photo + 0.01 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
        torch.manual_seed(3)
        losses.Perceptual(trunk, floor)(made, photo).sum().backward()
        return (made.grad[..., :24].norm() / made.grad[..., 40:].norm()).item()

    assert share(0.5) < 0.5 * share(0.0)


def test_flatness_is_one_half_at_its_sigma():
    wave = torch.ones(1, 3, 28, 28)
    wave[..., ::2] = -1  # standard deviation 1, but for the odd side of a window
    picture = 0.5 + wave * torch.tensor([0.0, 4.0, 400.0]).view(3, 1, 1, 1) / 255
    flat, half, rough = losses.flatness(picture, 4.0)[..., 7:-7, 7:-7]
    assert flat.min() == 1
    assert (half - 0.5).abs().max() < 0.02
    assert rough.max() < 1e-3


def test_nothing_but_pixels_is_judged_where_the_photo_is_flat(tmp_path):
    torch.manual_seed(0)
    trunk = load_trunk("squeeze", squeezenet().state_dict(), "random weights")
    photo = torch.full((1, 3, 64, 64), 0.5)
    photo[..., 32:] = torch.rand(3, 64, 32)

    def gradients(flat: float) -> tuple[float, float]:
        made = (photo + 0.05 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
        torch.manual_seed(3)
        losses.Perceptual(trunk, 0.1, flat)(made, photo).sum().backward()
        return made.grad[..., :24].norm().item(), made.grad[..., 40:].norm().item()

    (smooth, rough), (_, whole) = gradients(4.0), gradients(0.0)
    assert smooth == 0
    assert rough > 0.99 * whole

    text = TINY.replace("STEPS", "5").replace("perceptual = 0.01", "flat = 1.0") + "[options]\nflat = 4.0\n"
    task = task_of(text, tmp_path)
    for half, share in ((slice(0, 32), 1.0), (slice(32, 64), 0.0)):
        error = torch.zeros_like(photo)
        error[..., half] = 0.1
        loss = task._flow_losses((photo + error) * 2 - 1, photo * 2 - 1, torch.ones(1), None)["flat"].item()
        assert loss == pytest.approx(0.05 * share, abs=0.005), half


def test_faithful_samples_have_no_perceptual_loss(tmp_path):
    text = TINY.replace("STEPS", "5").replace("perceptual = 0.01\n", "") + "[options]\nfaithful_share = 0.5\n"
    details = task_of(text, tmp_path)._details(4000, torch.device("cpu"))
    assert 0.21 < (details == 0).float().mean() < 0.29
    assert 0.45 < (details == 1).float().mean() < 0.55
