"""The rectified flow: exact in tiles, its equations, a training run from photos to a picture."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.geometry import Size, TargetError, Window
from srcli.metrics.trunks import load_trunk
from srcli.networks import cubic
from srcli.networks.build import build
from srcli.networks.trunks import squeezenet
from srcli.networks.velocity import VelocityNet
from srcli.pipelines import colour
from srcli.pipelines.base import Sampling
from srcli.pipelines.flowsr import FlowsrModel
from srcli.pipelines.path import mirrored
from srcli.pipelines.registry import assemble
from srcli.tiling import strips
from srcli.training import losses, recipe
from srcli.training.consistency import Times
from srcli.training.data import Photos
from srcli.training.degraded import DegradedBatch
from srcli.training.loop import Trainer, read_metadata
from srcli.training.recipe import RecipeError
from srcli.training.task_flowsr import FlowsrTask, end, path
from srcli.training.tasks import make_task
from srcli.training.validation import whole
from srcli.upscaler import check
from srcli.weights import manifest, store

EXAMPLES = Path(__file__).parents[1] / "examples"
RUNNER = CliRunner()
SMALL = {
    "kind": "velocity",
    "width": 16,
    "before": 1,
    "after": 1,
    "coarse_width": 24,
    "coarse": 1,
    "thin": 4,
    "times": 16,
}

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


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Layers that begin at zero filled, so that everything has an effect."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if not parameter.detach().any():
            parameter.data.normal_(std=0.05, generator=generator)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def small(seed: int = 0, **parameters) -> VelocityNet:
    torch.manual_seed(seed)
    return awake(build(SMALL | parameters), seed)


MODEL = FlowsrModel(small())


def in_tiles(model: FlowsrModel, lr: Tensor, size: Size, tile: Size, sampling: Sampling) -> Tensor:
    low, out = Size(*lr.shape[-2:]), torch.empty(1, 3, size.height, size.width)
    for window in chain.from_iterable(strips(size, tile)):
        features = model.encode(lr, size, model.region(window, size, low, sampling))
        out[..., window.top : window.bottom, window.left : window.right] = model.decode(
            features, window, size, sampling
        )
    return out


# --- exact tiles ---


@pytest.mark.parametrize(
    ("low", "scale", "tile"),
    [
        ((120, 90), (4.0, 4.0), (200, 170)),
        ((211, 307), (2.6, 2.1), (333, 129)),
        ((577, 601), (1.0, 1.0), (250, 601)),
        ((57, 133), (8.0, 5.1), (160, 1000)),
        ((3, 900), (3.0, 1.0), (16, 64)),
        ((1, 1), (8.0, 8.0), (16, 16)),
    ],
)
@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(steps=3), Sampling(detail=0.3, colour="wavelet"), Sampling(steps=2, colour="adain")],
)
def test_tiled_equals_whole_to_the_bit(low, scale, tile, sampling):
    size = Size(*(round(n * s) for n, s in zip(low, scale, strict=True)))
    lr = torch.rand(1, 3, *low, generator=torch.Generator().manual_seed(low[0]))
    with torch.inference_mode():
        all_of_it = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, sampling)
        assert torch.equal(in_tiles(MODEL, lr, size, Size(*tile), sampling), all_of_it)
    assert all_of_it.shape == (1, 3, size.height, size.width)
    assert torch.isfinite(all_of_it).all()


def test_radius_is_what_the_network_sees():
    network, (y, x) = small().double(), (200, 203)
    image, t = torch.zeros(1, 3, 400, 400).double(), torch.ones(1).double()
    moved = image.clone()
    moved[..., y, x] = 1
    change = (network(moved, t) - network(image, t)).abs().amax((0, 1)) > 0
    rows, cols = (change.any(d).nonzero().flatten() for d in (1, 0))
    reach = max(y - rows.min(), rows.max() - y, x - cols.min(), cols.max() - x)
    # What reaches it from the other side: at most one position of the coarse grid less.
    assert network.radius - 2 * network.align <= reach <= network.radius


def test_network_says_what_it_takes():
    with pytest.raises(ValueError, match="multiples of 8"):
        small()(torch.zeros(1, 3, 12, 16), torch.ones(1))
    with pytest.raises(ValueError, match="enlarged picture"):
        small()(torch.zeros(1, 3, 16, 16), torch.ones(1), lr=torch.zeros(1, 3, 16, 16))
    conditioned = small(conditioned=True)
    assert conditioned(torch.zeros(1, 3, 16, 16), torch.ones(1), lr=torch.ones(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    with pytest.raises(ValueError, match="no second input"):
        FlowsrModel(conditioned)


def test_default_network_fits_the_package():
    network = build(recipe.load("flowsr").architecture)
    assert sum(p.numel() for p in network.parameters()) * 2 < 8e6
    assert recipe.load("flowsr").architecture == recipe.load("flowsr-base").architecture


# --- times ---


def test_second_time_and_detail_add_nothing_at_the_velocity_and_at_full_detail():
    network, x, t = small(), torch.randn(2, 3, 32, 32), torch.tensor([0.3, 0.9])
    plain = network(x, t)
    assert torch.equal(network(x, t, s=t, detail=torch.ones(2)), plain)
    assert not torch.allclose(network(x, t, s=t - 0.2), plain)
    assert not torch.allclose(network(x, t, detail=torch.zeros(2)), plain)
    torch.manual_seed(0)
    fresh = build(SMALL)
    nn.init.normal_(fresh.out.weight)  # else it is zero whatever the times are
    assert torch.equal(fresh(x, t, s=t - 0.2, detail=torch.zeros(2)), fresh(x, t))


def test_one_picture_is_computed_as_in_a_batch():
    network, x, t = small(), torch.randn(3, 3, 40, 48), torch.tensor([0.2, 0.6, 1.0])
    together = network(x, t)
    for i in range(3):  # alone, gain and shift are folded into the convolution
        torch.testing.assert_close(network(x[i : i + 1], t[i : i + 1]), together[i : i + 1], atol=1e-5, rtol=1e-4)


def test_fresh_network_leaves_the_enlarged_picture():
    lr, size = torch.rand(1, 3, 20, 31), Size(50, 77)
    made = whole(FlowsrModel(build(SMALL).eval()), lr, size, Sampling(steps=2))
    torch.testing.assert_close(made, cubic.whole(lr, (50, 77)), atol=1e-5, rtol=0)


class Linear(nn.Module):
    """v(x, t) = rate * x + t, everywhere alike."""

    conditioned, radius, align = False, 9, 8

    def forward(self, x, t, s=None, detail=None, lr=None):
        return 0.5 * x + t


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_are_those_of_euler_from_one_to_zero(steps):
    lr, size = torch.rand(1, 3, 24, 24), Size(48, 48)
    x = cubic.whole(lr, (48, 48)) * 2 - 1
    for k in range(steps):
        x = x - (0.5 * x + (1 - k / steps)) / steps
    model = FlowsrModel(Linear())  # type: ignore[arg-type]
    made = model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(steps=steps))
    torch.testing.assert_close(made, x * 0.5 + 0.5, atol=1e-5, rtol=0)


def test_sampling_is_checked():
    for bad in (Sampling(steps=0), Sampling(steps=1000), Sampling(colour="sepia")):
        with pytest.raises(TargetError):
            check(bad)
    assert check(Sampling(steps=4, colour="wavelet")).steps == 4


# --- enlarging and colour ---


@pytest.mark.parametrize("size", [(41, 37), (80, 80), (20, 20), (160, 133)])
def test_enlarging_is_bicubic(size):
    image = torch.rand(1, 3, 20, 20)
    ours, torchs = cubic.whole(image, size), F.interpolate(image, size, mode="bicubic", antialias=True)
    inside = [slice(3 * n // 20 + 1, n - 3 * n // 20 - 1) for n in size]  # borders are a matter of taste
    torch.testing.assert_close(ours[..., inside[0], inside[1]], torchs[..., inside[0], inside[1]], atol=1e-4, rtol=0)
    torch.testing.assert_close(cubic.whole(torch.ones(1, 3, 5, 1), size), torch.ones(1, 3, *size))


def test_mirror_repeats_the_ends():
    assert mirrored(torch.arange(-5, 9), 3).tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]
    assert mirrored(torch.arange(-3, 4), 1).tolist() == [0] * 7


def test_wavelet_is_the_published_one():
    image, reference = torch.rand(2, 1, 3, 50, 71)

    def published(x: Tensor) -> Tensor:
        kernel = torch.tensor([1.0, 2.0, 1.0])
        kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
        for radius in (1, 2, 4, 8, 16):
            x = F.conv2d(F.pad(x, (radius,) * 4, mode="replicate"), kernel, groups=3, dilation=radius)
        return x

    torch.testing.assert_close(colour.low(image), published(image), atol=1e-5, rtol=0)
    fixed = colour.wavelet(image, reference)
    torch.testing.assert_close(fixed, image - published(image) + published(reference), atol=1e-5, rtol=0)
    assert torch.equal(colour.low(torch.full((1, 3, 9, 9), 0.25)), torch.full((1, 3, 9, 9), 0.25))


def test_adain_takes_mean_and_spread():
    image, reference = torch.rand(1, 3, 40, 50) * 0.5, torch.rand(1, 3, 30, 20) * 0.2 + 0.6
    fixed = colour.tint(image, reference)(image)
    torch.testing.assert_close(fixed.mean((2, 3)), reference.mean((2, 3)))
    torch.testing.assert_close(fixed.std((2, 3)), reference.std((2, 3)), rtol=1e-3, atol=1e-4)
    one = colour.tint(torch.rand(1, 3, 1, 1), torch.full((1, 3, 1, 1), 0.3))
    assert torch.isfinite(one(torch.rand(1, 3, 2, 2))).all()


@pytest.mark.parametrize("fix", ["wavelet", "adain"])
def test_fixes_bring_a_colour_back(fix):
    class Yellow(Linear):
        def forward(self, x, t, s=None, detail=None, lr=None):
            return x.new_tensor([-0.2, -0.2, 0.4]).view(1, 3, 1, 1).expand_as(x)

    lr, size = torch.rand(1, 3, 30, 30) * 0.4 + 0.3, Size(90, 90)
    model = FlowsrModel(Yellow())  # type: ignore[arg-type]
    shifted, fixed = (whole(model, lr, size, Sampling(colour=c)) for c in (None, fix))
    original = lr.mean((2, 3))
    assert (shifted.mean((2, 3)) - original).abs().max() > 0.15
    assert (fixed.mean((2, 3)) - original).abs().max() < 0.02


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


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_file(squeezenet().state_dict(), file)
    return file


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


@pytest.fixture
def installed(tmp_path, monkeypatch) -> str:
    """The name of a tiny rectified flow among the embedded models."""
    file = tmp_path / "tiny.safetensors"
    state = {k: v.contiguous() for k, v in small().state_dict().items()}
    save_file(state, file, {"architecture": json.dumps(SMALL)})
    part = manifest.Part("velocity", file.name, file.stat().st_size, store.sha256(file))
    entry = manifest.Entry("tiny", (), "tests", "flowsr", (1.0, 8.0), "none", "none", True, {"velocity": part})
    found = manifest.Manifest("tiny", {"tiny": entry})
    monkeypatch.setattr(manifest, "load", lambda: found)
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)
    return entry.name


def test_upscale_takes_steps_and_colour_and_tiles_change_nothing(installed, tmp_path):
    def made(name: str, *options: object) -> bytes:
        arguments = [EXAMPLES / "cat.png", "-s", 2.5, "-n", installed, "--precision", "fp32", "-o", tmp_path / name]
        result = RUNNER.invoke(app, ["upscale", *[str(a) for a in (*arguments, *options)]])
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return (tmp_path / name).read_bytes()

    one, two = made("one.png"), made("two.png", "--steps", 2, "--colour", "wavelet")
    assert made("tiled.png", "--steps", 2, "--colour", "wavelet", "--tile", 160) == two
    assert len({one, two, made("four.png", "--steps", 4), made("faithful.png", "--detail", 0)}) == 4
    result = RUNNER.invoke(app, ["upscale", str(EXAMPLES / "cat.png"), "-n", installed, "--steps", "0"])
    assert (result.exit_code, "steps go from 1" in result.stderr) == (2, True)


def test_bench_scores_steps_on_degraded_photos(installed, tmp_path):
    options = ["--data", EXAMPLES, "--scale", 4, "--degradation", "moderate", "--steps", "1,2", "--metrics", "psnr_y"]
    result = RUNNER.invoke(app, ["bench", *[str(a) for a in options], "--models", f"bicubic,{installed}", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["variant"]: row["psnr_y"] for row in map(json.loads, result.stdout.splitlines())}
    assert list(rows) == ["bicubic", "tiny steps 1", "tiny steps 2"]
    assert len(set(rows.values())) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("l2 = 10.0", "l2 = 10.0\nconsistency = 1.0"), "--flow"),
        (("[loss]", '[options]\nterms = "all"\n[loss]'), "both, cd or hr"),
        (("[loss]", '[options]\npairs = "all"\n[loss]'), "fast-slow, slow or fast"),
        (("[loss]", "[options]\nspeed = 3\n[loss]"), "has no speed"),
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
