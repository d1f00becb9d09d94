"""The rectified flow learns: the equations of its losses, a training run from photos to a picture."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.geometry import Size
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.flowsr.times import Times
from srcli.methods.flowsr.training import FlowsrTask, end, path
from srcli.methods.registry import assemble
from srcli.metrics.trunks import load_trunk
from srcli.networks.trunks import squeezenet
from srcli.tiling.model import Sampling
from srcli.training import losses, recipe
from srcli.training.data.degraded import DegradedBatch, DegradedSpec
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer, read_metadata
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from srcli.training.validation import whole
from srcli.weights import store
from tests.methods.flowsr.steps import awake, small
from tests.support.places import EXAMPLES

RUNNER = CliRunner()
TINY = """
task = "flowsr"
architecture = { kind = "velocity", width = 16, before = 1, after = 1, coarse_width = 24, coarse = 1, thin = 4, times = 16 }
[crops]
preset = "moderate"
batch = 4
crop = 48
margin = 8
[optim]
lr = 2e-3
warmup = 2
steps = STEPS
[loss]
l2 = 10.0
perceptual = 0.01
periodic = 0.1
"""  # noqa: E501
SECOND = """
consistency = 0.5
adversary = 0.01
[options]
adversary_start = 2
faithful_share = 0.5
distance_perceptual = 0.01
"""


# --- the equations of the training ---


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
        start = path(hr, lr, later)
        reached = start - 0.25 * teacher(start, later)
        cd = ((end(network, start, later, full) - end(target, reached, near, full)).square() + 1e-6).sqrt().mean()
        to_photo = ((end(network, reached, near, full) - hr).square() + 1e-6).sqrt().mean()
    expected = {"both": cd + to_photo, "cd": cd, "hr": to_photo}[terms]
    assert values["consistency"] == pytest.approx(expected.item(), rel=1e-4)
    assert loss.item() == pytest.approx(10 * values["l2"] + 0.5 * expected.item(), rel=1e-4)
    loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())
    assert all(p.grad is None for p in (*teacher.parameters(), *target.parameters()))


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


# --- from photos to a picture ---


def train(*arguments: object):
    result = RUNNER.invoke(app, ["train", *[str(a) for a in arguments]])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.slow
def test_both_stages_train_export_and_make_a_picture(tmp_path, trunk):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    alone = TINY.replace("perceptual = 0.01\n", "").replace("moderate", "heavy").replace("lr = 2e-3", "lr = 1e-2")
    noisy = alone.replace("margin = 8", "margin = 8\nlight_share = 0.0\nwhole_share = 1.0\nwhole_scales = [1]")
    first.write_text(noisy.replace("STEPS", "200") + "[options]\nstart_share = 1.0\n")
    second.write_text(TINY.replace("STEPS", "6") + SECOND)
    common = ["--data", EXAMPLES, "--trunk", trunk, "--threads", 1]
    base, weights = tmp_path / "base.safetensors", tmp_path / "flow.safetensors"
    train("flowsr-base", "--recipe", first, *common, "--out", tmp_path / "base", "--hold-out", 1)
    assert (tmp_path / "base" / "held_out.txt").read_text().strip() in ("cat.png", "coffee.jpg")
    train("export", tmp_path / "base", "-o", base, "--data", "one photo")
    train("flowsr", "--recipe", second, *common, "--out", tmp_path / "flow", "--flow", base, "--val", EXAMPLES)
    result = train("export", tmp_path / "flow", "-o", weights, "--data", "two photos", "--val", EXAMPLES)
    assert "psnr_y_x4" in result.stdout
    assert read_metadata(weights)["flow"] == store.sha256(base)

    batch = recipe.load(str(first)).crops.draw(Photos(EXAMPLES), 9, 0)
    hr, lr = batch.hr * 2 - 1, batch.lr * 2 - 1
    ones = torch.ones(len(hr))
    with torch.no_grad():
        made = end(store.load_network(base), lr, ones, ones)
    assert (made - hr).square().mean() < 0.95 * (lr - hr).square().mean()
    photo, size = torch.rand(1, 3, 20, 30), Size(50, 75)
    made = whole(assemble("flowsr", {"velocity": store.load_network(weights)}), photo, size, Sampling(steps=2))
    assert torch.isfinite(made).all()


@pytest.mark.slow
def test_a_consistency_run_interrupted_and_resumed_equals_an_uninterrupted_one(tmp_path, trunk):
    (tmp_path / "second.toml").write_text(TINY.replace("STEPS", "6") + SECOND)
    chosen, flow = recipe.load(str(tmp_path / "second.toml")), tmp_path / "flow.safetensors"
    state = {k: v.contiguous() for k, v in small().state_dict().items()}
    save_file(state, flow, {"architecture": json.dumps(chosen.architecture)})

    def trainer(out: str) -> Trainer:
        return Trainer(chosen, make_task(chosen, str(flow), trunk), Photos(EXAMPLES), tmp_path / out)

    trainer("whole").run()
    half = trainer("parts")
    steps: list[int] = []

    def stop(step: int, values: dict[str, float]) -> None:
        steps.append(step)
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half.run(progress=stop)
    half.save()
    second = trainer("parts")
    second.resume()
    assert second.step == steps[-1] == 3
    second.run()
    one, other = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert {k.split("/")[0] for k in one} == {"network", "ema", "target", "discriminator", "optimizer"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("l2 = 10.0", "l2 = 10.0\nconsistency = 1.0"), "--flow"),
        (("[loss]", '[options]\nterms = "all"\n[loss]'), "both, cd or hr"),
        (("[loss]", '[options]\npairs = "all"\n[loss]'), "fast-slow, slow or fast"),
        (("[loss]", "[options]\nspeed = 3\n[loss]"), "has no speed"),
        (("l2 = 10.0", "l2 = 10.0\nflat = 1.0"), "flat = SIGMA"),
        (("margin = 8", "margins = 8"), "has no margins"),
        (("[loss]", "[loss]\n"), "--trunk"),
    ],
)
def test_bad_recipes_are_one_sentence(tmp_path, change, says):
    (tmp_path / "odd.toml").write_text(TINY.replace("STEPS", "5").replace(*change))
    arguments = ["flowsr", "--recipe", tmp_path / "odd.toml", "--data", EXAMPLES, "--out", tmp_path / "run"]
    result = RUNNER.invoke(app, ["train", *[str(a) for a in arguments]])
    assert (result.exit_code, says in result.stderr) == (2, True), result.output
    assert "Traceback" not in result.output


def test_recipes_without_a_preset_draw_moderate_crops(tmp_path):
    (tmp_path / "short.toml").write_text(TINY.replace("STEPS", "5").replace('preset = "moderate"\n', ""))
    crops = recipe.load(str(tmp_path / "short.toml")).crops
    assert (type(crops), crops.preset, crops.margin) == (DegradedSpec, "moderate", 8)
