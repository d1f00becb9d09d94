"""The stages of the flow map: times, targets, each run resumable, an ablation in seconds."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.geometry import Size
from srcli.networks.build import build
from srcli.networks.lora import Lora
from srcli.networks.trunks import squeezenet
from srcli.networks.velocity import VelocityNet
from srcli.pipelines.base import Sampling
from srcli.pipelines.registry import assemble
from srcli.training import ablation, flow_map, recipe
from srcli.training.data import Photos
from srcli.training.degraded import DegradedBatch, DegradedSpec
from srcli.training.jumps import FORMULATIONS, Jumps, Pairs
from srcli.training.loop import Optimizer, Trainer, read_metadata
from srcli.training.map_losses import Directed, MapLosses, Pair
from srcli.training.recipe import OptimSpec, RecipeError
from srcli.training.task_flowmap import MapOptions
from srcli.training.tasks import make_task
from srcli.training.validation import whole
from srcli.weights import store

EXAMPLES = Path(__file__).parents[1] / "examples"
RUNNER = CliRunner()
CPU = torch.device("cpu")
SMALL = {
    "kind": "velocity", "width": 16, "before": 1, "after": 1, "coarse_width": 24, "coarse": 1, "thin": 4, "times": 16,
    "quality": True,
}  # fmt: skip
ARCHITECTURE = (
    'kind = "velocity", width = 16, before = 1, after = 1, coarse_width = 24, coarse = 1, thin = 4, times = 16'
)
TINY = f"""
task = "flowmap"
architecture = {{ {ARCHITECTURE}, quality = true }}
[crops]
preset = "heavy"
batch = 4
crop = 48
margin = 8
light_share = 0.0
whole_share = 1.0
whole_scales = [1]
negative_share = 0.25
[optim]
lr = 2e-3
warmup = 2
steps = STEPS
[loss]
flow = 1.0
"""
MAP = 'map = 1.0\nperiodic = 0.1\nperceptual = 0.01\n[options]\nmap_share = 0.5\nramp = 2\nformulation = "FORM"\n'
GUIDED = MAP + "guidance = 2.0\n"
LORA = TINY.replace('task = "flowmap"', 'task = "flowmap-lora"').replace(
    f"architecture = {{ {ARCHITECTURE}, quality = true }}",
    f'architecture = {{ kind = "lora", rank = 2, network = {{ {ARCHITECTURE}, quality = true }} }}',
) + GUIDED.replace("map = 1.0", "map = 1.0\nadversary = 0.05").replace("FORM", "shortcut")


def awake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Layers that begin at zero filled, so that everything has an effect."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if not parameter.detach().any():
            parameter.data.normal_(std=0.05, generator=generator)
    return network


def small(seed: int = 0, **parameters) -> VelocityNet:
    torch.manual_seed(seed)
    return awake(build(SMALL | parameters), seed)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_file(squeezenet().state_dict(), file)
    return file


@pytest.fixture
def _float32(monkeypatch):
    monkeypatch.setattr("srcli.runtime.best_precision", lambda device: ("fp32", "for exact numbers"))


def weights_of(network: nn.Module, architecture: dict, file: Path) -> Path:
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, file, {"architecture": json.dumps(architecture)})
    return file


def chosen(tmp_path: Path, text: str, steps: int = 5) -> recipe.Recipe:
    (tmp_path / "tiny.toml").write_text(text.replace("STEPS", str(steps)))
    return recipe.load(str(tmp_path / "tiny.toml"))


# --- times and data ---


def test_shortcut_jumps_lie_on_their_grid():
    pairs = Jumps(levels=4).pairs(4000, CPU)
    length = pairs.t - pairs.s
    for level in range(4):
        of_level = length == 0.5**level
        assert 0.2 < of_level.float().mean() < 0.3
        starts = pairs.s[of_level] / 0.5**level
        assert set(starts.tolist()) == set(range(2**level))
    assert torch.equal(pairs.finest, length == 0.125)
    assert pairs.t.max() == 1


@pytest.mark.parametrize("formulation", ["lagrangian", "eulerian"])
def test_other_jumps_lie_anywhere(formulation):
    pairs = Jumps(formulation, start_share=0.3).pairs(4000, CPU)
    assert (pairs.s <= pairs.t).all()
    assert 0.26 < (pairs.s == 0).float().mean() < 0.34
    assert len(pairs.t.unique()) > 3000
    assert not pairs.finest.any()


def test_single_times_often_begin_where_pictures_begin():
    s = Jumps(start_share=0.2).single(4000, CPU)
    assert 0.17 < (s == 0).float().mean() < 0.23
    assert s.max() < 1
    for bad in ({"formulation": "hamiltonian"}, {"levels": 0}):
        with pytest.raises(RecipeError):
            Jumps(**bad)


def test_the_share_of_jumps_grows_to_what_was_asked_for():
    torch.manual_seed(0)
    options = MapOptions(map_share=0.3, ramp=100)
    means = [sum(options.count(8, step) for _ in range(2000)) / 2000 for step in (0, 50, 100, 1000)]
    assert means == pytest.approx([0, 1.2, 2.4, 2.4], abs=0.1)
    with pytest.raises(RecipeError):
        MapOptions(map_share=1.0)


def test_negatives_are_degraded_and_nothing_else_changes():
    photos = Photos(EXAMPLES)
    spec = DegradedSpec(batch=6, crop=96)
    plain, negative = (replace(spec, negative_share=share).draw(photos, 3, 4) for share in (0.0, 1.0))
    assert plain.quality.tolist() == [1] * 6
    assert negative.quality.tolist() == [0] * 6
    assert torch.equal(plain.hr[0], DegradedSpec(batch=1, crop=96).draw(photos, 3, 4).hr[0])
    assert torch.equal(plain.lr[0], negative.lr[0])  # the first pair is drawn before any negative
    assert 0.01 < (plain.hr[0] - negative.hr[0]).abs().mean() < 0.3
    shares = torch.cat([replace(spec, negative_share=0.3).draw(photos, 0, step).quality for step in range(40)])
    assert 0.2 < 1 - shares.mean() < 0.4


# --- the network ---


def test_quality_adds_nothing_where_it_is_good():
    network, x, t = small(), torch.randn(2, 3, 32, 32), torch.tensor([0.3, 0.9])
    plain = network(x, t)
    assert torch.equal(network(x, t, quality=torch.ones(2)), plain)
    assert not torch.allclose(network(x, t, quality=torch.zeros(2)), plain)
    both = network(x, t, quality=torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(both[0], plain[0])
    with pytest.raises(ValueError, match="without a quality"):
        small(quality=False)(x, t, quality=torch.ones(2))


@pytest.mark.usefixtures("_float32")
def test_jvps_pass_through_the_network():
    # In float64 and away from the kinks of its rectifiers, which are rare.
    network = small().double()
    x, s, t = torch.randn(1, 3, 16, 16).double(), torch.tensor([0.2]).double(), torch.tensor([0.7]).double()
    u, h = Directed(network), 1e-6
    velocity = u(x, s, s).detach()
    with torch.no_grad():
        in_t = (u(x, s, t + h) - u(x, s, t - h)) / (2 * h)
        in_s = (u(x + h * velocity, s + h, t) - u(x - h * velocity, s - h, t)) / (2 * h)
    target = flow_map.eulerian_target(u, velocity, x, s, t)
    torch.testing.assert_close(target, velocity + 0.5 * in_s, atol=1e-6, rtol=1e-4)
    residual = flow_map.lagrangian_residual(u, u, x, s, t)
    with torch.no_grad():
        expected = u(x, s, t) + 0.5 * in_t - u(flow_map.jump(u, x, s, t), t, t)
    torch.testing.assert_close(residual, expected, atol=1e-6, rtol=1e-4)
    residual.square().mean().backward()
    assert all(p.grad is not None for n, p in network.named_parameters() if ".lack." not in n and "negative" not in n)
    assert network.times.gap[2].weight.grad.any()


def test_jvps_are_alike_at_the_machines_precision():
    network = small()
    x, s, t = torch.randn(2, 3, 32, 32), torch.tensor([0.1, 0.5]), torch.tensor([0.9, 0.75])
    u = Directed(network)
    mixed = flow_map.lagrangian_residual(u, u, x, s, t)
    wide = Directed(network.double())
    exact = flow_map.lagrangian_residual(wide, wide, x.double(), s.double(), t.double())
    assert (mixed - exact).abs().mean() < 0.05 * exact.abs().mean()


# --- losses ---


def fixed(jumps: Jumps, s: Tensor, pairs: Pairs) -> Jumps:
    """The same jumps at fixed times."""

    class Fixed(Jumps):
        def single(self, count, device):
            return s[:count]

        def pairs(self, count, device):
            return pairs

    return Fixed(jumps.formulation, jumps.levels)


@pytest.mark.usefixtures("_float32")
@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_losses_are_those_of_the_equations(formulation, guidance):
    network, teacher = small(1), small(2)
    pair = Pair(*torch.randn(2, 5, 3, 24, 24), torch.tensor([1.0, 0, 1, 1, 1]))
    start, end = torch.tensor([0.0, 0.875]), torch.tensor([1.0, 1.0])
    pairs = Pairs(start, end, torch.tensor([False, True]))
    single = torch.tensor([0.0, 0.4, 0.8])
    jumps = fixed(Jumps(formulation), single, pairs)
    made = MapLosses(jumps, {}, None, guidance, power=1.0)(network, teacher, pair, 2)
    jumping, still = torch.tensor([0, 2]), torch.tensor([3, 4, 1])  # the negative one is never for the jumps

    def u(net: nn.Module, quality: float) -> flow_map.Field:
        return lambda x, s, t: -net(x, 1 - s, 1 - t, quality=torch.full_like(s, quality))

    x = flow_map.interpolant(pair.lr[still], pair.hr[still], single)
    quality = pair.quality[still]
    v = -network(x, 1 - single, 1 - single, quality=quality)
    torch.testing.assert_close(made.velocity, flow_map.square(v - (pair.hr - pair.lr)[still]))
    begin = flow_map.interpolant(pair.lr[jumping], pair.hr[jumping], start)
    good, guided = u(teacher, 1.0), flow_map.guided(u(teacher, 1.0), u(teacher, 0.0), guidance)
    if formulation == "lagrangian":
        expected = flow_map.square(flow_map.lagrangian_residual(u(network, 1.0), guided, begin, start, end))
    elif formulation == "eulerian":
        target = flow_map.eulerian_target(good, guided(begin, start, start), begin, start, end)
        expected = flow_map.square(u(network, 1.0)(begin, start, end) - target)
        expected = expected / (expected + 1e-3)
    else:  # the longest from two halves, the finest from two velocities, which alone are guided
        half = start + (end - start) / 2
        plain = flow_map.shortcut_target(good, begin, start, end)
        a = guided(begin, start, start)
        b = guided(begin + (half - start).view(-1, 1, 1, 1) * a, half, half)
        target = torch.stack([plain[0], ((a + b) / 2)[1]])
        expected = flow_map.square(u(network, 1.0)(begin, start, end) - target)
    torch.testing.assert_close(made.map, expected, atol=1e-5, rtol=1e-4)
    made.map.sum().backward()
    assert network.head.weight.grad.any()
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.usefixtures("_float32")
def test_the_bridge_is_noisy_between_its_ends_only():
    pair = Pair(*torch.randn(2, 3, 3, 8, 8), torch.ones(3))
    s = torch.tensor([0.0, 0.5, 1.0])
    torch.manual_seed(0)
    away = (pair.path(s, 0.1) - pair.path(s, 0.0)).flatten(1).std(1)
    assert away[0] == away[2] == 0
    assert away[1].item() == pytest.approx(0.05, rel=0.2)


def test_the_sum_is_weighted_by_uncertainty_and_teaches_it_apart(tmp_path):
    task = make_task(chosen(tmp_path, TINY + "map = 3.0\n[options]\nramp = 0\nmap_share = 0.5\n"))
    awake(task.networks["network"])
    pair = Pair(*torch.randn(2, 4, 3, 24, 24), torch.ones(4))
    terms = task.objective(task.networks["network"], task.networks["target"], pair, 2)
    weights = task.networks["uncertainty"]
    total, values = task.objective.total(terms, weights)
    scale = torch.tensor(-4.0)
    expected = 0.5 * (terms.velocity.mean() / scale.exp() - 4) + 3 * 0.5 * (terms.map.mean() / scale.exp() - 4)
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert values["flow"] == pytest.approx(terms.velocity.mean().item())
    total.backward()
    assert all(p.grad is None for p in weights.parameters())
    task.objective.of_uncertainty(terms, weights).backward()
    assert all(p.grad is not None for p in weights.parameters())
    assert Optimizer(weights, OptimSpec(lr=1e-3)).peaks == [pytest.approx(1e-2)]


def test_targets_follow_slowly_and_begin_as_the_weights_do(tmp_path):
    given = chosen(tmp_path, TINY + "map = 1.0\n[options]\ntarget_ema = 0.9\n")
    task = make_task(given)
    trainer = Trainer(given, task, Photos(EXAMPLES), tmp_path / "run")
    older = small(5, quality=False)  # as exported by flowsr-base: it knows no quality
    trainer.start_from(weights_of(older, SMALL | {"quality": False}, tmp_path / "old.safetensors"))
    network, target = task.networks["network"], task.networks["target"]
    for net in (network, target, trainer.ema):
        assert torch.equal(net.head.weight, older.head.weight)
        assert not net.times.negative.any()
    batch = DegradedBatch(*torch.rand(2, 2, 3, 24, 24), *torch.ones(2, 2))
    before = target.head.weight.clone()
    for name, _, _ in task.losses(batch, 0):
        if name == "network":
            network.head.weight.data.add_(1.0)  # what the loop's optimizer does
    torch.testing.assert_close(target.head.weight, before + 0.1)
    broken = {k: v for k, v in older.state_dict().items() if k != "head.weight"}
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(RecipeError, match="cannot start"):
        trainer.start_from(tmp_path / "broken.safetensors")


# --- the low-rank change ---


def lora_task(tmp_path: Path, trunk: Path, seed: int = 3):
    flow = weights_of(small(seed), SMALL, tmp_path / "flow.safetensors")
    return make_task(chosen(tmp_path, LORA), str(flow), trunk)


def test_the_change_learns_and_its_network_stays(tmp_path, trunk):
    task = lora_task(tmp_path, trunk)
    batch = DegradedBatch(*torch.rand(2, 4, 3, 48, 48), *torch.ones(2, 4))
    names = []
    for name, loss, values in task.losses(batch, 10):
        loss.backward()
        names.append(name)
        assert torch.isfinite(loss)
        assert all(math.isfinite(v) for v in values.values())
    assert names == ["network", "uncertainty", "discriminator"]
    ups = [p for n, p in task.networks["network"].named_parameters() if n.endswith("-up")]
    assert sum(p.grad is not None and bool(p.grad.any()) for p in ups) > len(ups) // 2
    assert all(p.grad is None for p in task.base.parameters())
    changed = task._changed()
    torch.manual_seed(0)
    made = {task._sample(changed, batch.lr * 2 - 1).mean().item() for _ in range(8)}
    assert len(made) == 2  # one step and two


def test_a_change_needs_its_network(tmp_path, trunk):
    with pytest.raises(RecipeError, match="--flow"):
        make_task(chosen(tmp_path, LORA), None, trunk)
    other = weights_of(small(width=8), SMALL | {"width": 8}, tmp_path / "other.safetensors")
    with pytest.raises(RecipeError, match="architecture"):
        make_task(chosen(tmp_path, LORA), str(other), trunk)


# --- runs ---

STAGES = {
    "warm-up": TINY,
    "shortcut": TINY + MAP.replace("FORM", "shortcut"),
    "lagrangian guided": TINY + GUIDED.replace("FORM", "lagrangian"),
    "eulerian guided": TINY + GUIDED.replace("FORM", "eulerian"),
    "change": LORA,
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_interrupted_and_resumed_equals_an_uninterrupted_one(tmp_path, trunk, stage):
    given = chosen(tmp_path, STAGES[stage], 4)
    flow = weights_of(small(), SMALL, tmp_path / "flow.safetensors")

    def trainer(out: str) -> Trainer:
        task = make_task(given, str(flow), trunk)
        return Trainer(given, task, Photos(EXAMPLES), tmp_path / out)

    trainer("whole").run()
    half = trainer("parts")

    def stop(step: int, values: dict[str, float]) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half.run(progress=stop)
    half.save()
    second = trainer("parts")
    second.resume()
    second.run()
    one, other = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)


def train(*arguments: object):
    result = RUNNER.invoke(app, ["train", *[str(a) for a in arguments]])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.slow
def test_all_stages_train_export_and_make_pictures(tmp_path, trunk):
    common = ["--data", EXAMPLES, "--trunk", trunk, "--threads", 1]
    texts = {
        "flowmap-base": (TINY.replace("lr = 2e-3", "lr = 1e-2") + "[options]\nstart_share = 0.8\n", 200),
        "flowmap": (TINY + MAP.replace("FORM", "shortcut"), 40),
        "flowmap-guided": (TINY + GUIDED.replace("FORM", "shortcut"), 4),
        "flowmap-lora": (LORA, 4),
    }
    before = weights_of(build(SMALL | {"quality": False}), SMALL, tmp_path / "flowsr.safetensors")
    for name, (text, steps) in texts.items():
        (tmp_path / f"{name}.toml").write_text(text.replace("STEPS", str(steps)))
        run, start = tmp_path / name, "--flow" if name == "flowmap-lora" else "--init"
        train(name, "--recipe", tmp_path / f"{name}.toml", *common, "--out", run, start, before)
        weights = tmp_path / f"{name}.safetensors"
        flow = ["--flow", before] if name == "flowmap-lora" else []
        train("export", run, "-o", weights, "--data", "two photos", "--val", EXAMPLES, *flow)
        base, before = before, weights
    assert read_metadata(before)["flow"] == store.sha256(base)
    assert before.stat().st_size < base.stat().st_size
    network, lora = store.load_network(base), store.load_network(before)
    assert isinstance(lora, Lora)

    pair = Pair.of(DegradedSpec("heavy", crop=96, whole_share=1.0, whole_scales=(1,)).draw(Photos(EXAMPLES), 9, 0))
    first, zero = Directed(store.load_network(tmp_path / "flowmap-base.safetensors")), torch.zeros(len(pair.lr))
    with torch.no_grad():
        made = pair.lr + first(pair.lr, zero, zero)
    assert (made - pair.hr).square().mean() < 0.98 * (pair.lr - pair.hr).square().mean()
    model = assemble("flowmap", {"velocity": network, "lora": lora})
    pictures = [whole(model, torch.rand(1, 3, 20, 30), *sample) for sample in SAMPLES]
    assert all(torch.isfinite(p).all() for p in pictures)


SAMPLES = [(Size(50, 75), Sampling(steps=n, detail=d)) for n in (1, 2, 4) for d in (0.0, 2.0)]


# --- the ablation ---


@pytest.mark.slow
def test_the_ablation_runs_all_arms_and_writes_what_it_found(tmp_path, trunk):
    (tmp_path / "guided.toml").write_text(TINY + GUIDED.replace("FORM", "shortcut").replace("perceptual = 0.01\n", ""))
    warm = weights_of(small(), SMALL, tmp_path / "warm.safetensors")
    options = ["--recipe", tmp_path / "guided.toml", "--steps", 3, "--data", EXAMPLES, "--val", EXAMPLES]
    (tmp_path / "guided.toml").write_text((tmp_path / "guided.toml").read_text().replace("STEPS", "3"))
    result = train("flowmap", "--ablation", *options, "--init", warm, "--out", tmp_path / "out")
    labels = [arm.label for arm in ablation.ARMS]
    assert labels == [f + g for g in ("", " guided") for f in FORMULATIONS]
    assert all(f"{label}: done at step 3" in result.stdout for label in labels)
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [arm["arm"] for arm in found["arms"]] == labels
    names = [f"{m}_{n}" for n in ablation.EVALUATIONS for m in ("psnr_y", "sharpness")]
    assert all(list(arm["scores"]) == names for arm in found["arms"])
    with (tmp_path / "out" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == set(labels)
    assert {row["psnr_y_2"] for row in rows if row["step"] == "0.0"} == {str(found["warm_scores"]["psnr_y_2"])}
    table = (tmp_path / "out" / "scores.md").read_text().splitlines()
    assert len(table) == 3 + len(labels)
    assert "<svg" in (tmp_path / "out" / "curves.svg").read_text()
    again = ["flowmap", "--ablation", *options, "--init", warm, "--out", tmp_path / "out"]
    result = RUNNER.invoke(app, ["train", *[str(a) for a in again]])
    assert (result.exit_code, "holds an ablation already" in result.stderr) == (2, True)


def test_an_arm_that_diverges_is_a_result(tmp_path, monkeypatch):
    given = chosen(tmp_path, TINY + "map = 1.0\n[options]\nguidance = 2.0\nformulation = 'shortcut'\n", 4)
    task = make_task(given)
    trainer = Trainer(given, task, Photos(EXAMPLES), tmp_path / "run")

    def explode(batch, step):
        yield (
            "network",
            task.networks["network"].head.weight.sum() * (float("nan") if step == 2 else 1.0),
            {"flow": 1.0},
        )

    monkeypatch.setattr(task, "losses", explode)
    crops = ablation.Crops(EXAMPLES, given.crops, 2)
    result = ablation._train(ablation.ARMS[0], trainer, crops, 1.0)
    assert (result.ended, result.steps) == ("diverged", 2)
    trainer.ema.head.weight.fill_(float("nan"))
    assert all(math.isnan(v) for v in crops(trainer.ema).values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["flowmap", "--formulation", "hamiltonian"], "shortcut, lagrangian, eulerian"),
        (["linf-base", "--formulation", "shortcut"], "has no formulation"),
        (["flowmap-base", "--ablation"], "--ablation is for train flowmap"),
        (["flowmap", "--ablation"], "needs a warm start"),
        (["flowmap", "--ablation", "--init", "fresh.safetensors", "--val", "photos"], "what is negative"),
        (["flowmap", "--ablation", "--recipe", "plain.toml", "--init", "x", "--val", "photos"], "other than 1"),
        (["flowmap", "--recipe", "blind.toml"], "quality = true"),
        (["flowmap", "--recipe", "conditioned.toml"], "no second input"),
        (["flowmap-guided"], "--trunk"),
        (["flowmap-lora"], "--flow"),
    ],
    ids=lambda v: " ".join(str(a) for a in v[:2]) if isinstance(v, list) else None,
)
def test_bad_commands_are_one_sentence(tmp_path, monkeypatch, trunk, arguments, says):
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    plain = (TINY + MAP).replace("STEPS", "3").replace("FORM", "shortcut").replace("perceptual = 0.01\n", "")
    Path("plain.toml").write_text(plain)
    Path("blind.toml").write_text(plain.replace(", quality = true", ""))
    Path("conditioned.toml").write_text(plain.replace(", quality = true", ", conditioned = true"))
    architecture = recipe.load("flowmap").architecture
    weights_of(build(architecture), architecture, Path("fresh.safetensors"))
    Image.linear_gradient("L").convert("RGB").save(photos / "photo.png")  # 256 pixels a side
    needs_trunk = "--ablation" in arguments or arguments[0] == "flowmap"
    options = [*arguments, "--data", photos, "--out", "run", *(["--trunk", trunk] if needs_trunk else [])]
    result = RUNNER.invoke(app, ["train", *[str(a) for a in options]])
    assert (result.exit_code, says in result.stderr) == (2, True), result.output
    assert "Traceback" not in result.output
