"""The stages of the flow map: the low-rank change, each run resumable, an ablation in seconds."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from flowmap_steps import ARCHITECTURE, SMALL, TINY, chosen, small, weights_of
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from srcli import Upscaler
from srcli.cli.app import app
from srcli.geometry import Size
from srcli.networks.build import build
from srcli.networks.lora import Lora
from srcli.networks.trunks import squeezenet
from srcli.pipelines.base import Sampling
from srcli.pipelines.flowmap import FlowmapModel
from srcli.pipelines.flowsr import FlowsrModel
from srcli.pipelines.registry import assemble
from srcli.training import ablation, ablation_plan, plot, recipe
from srcli.training.data import Photos
from srcli.training.degraded import DegradedBatch, DegradedSpec
from srcli.training.export import export
from srcli.training.jumps import FORMULATIONS
from srcli.training.loop import Trainer, learning_rate_share, read_metadata
from srcli.training.map_losses import Directed, Pair
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from srcli.training.validation import Validation, whole
from srcli.weights import store

EXAMPLES = Path(__file__).parents[1] / "examples"
RUNNER = CliRunner()
MAP = 'map = 1.0\nperiodic = 0.1\nperceptual = 0.01\n[options]\nmap_share = 0.5\nramp = 2\nformulation = "FORM"\n'
GUIDED = MAP + "guidance = 2.0\n"
LORA = TINY.replace('task = "flowmap"', 'task = "flowmap-lora"').replace(
    f"architecture = {{ {ARCHITECTURE}, quality = true }}",
    f'architecture = {{ kind = "lora", rank = 2, network = {{ {ARCHITECTURE}, quality = true }} }}',
) + GUIDED.replace("map = 1.0", "map = 1.0\nadversary = 0.05").replace("FORM", "shortcut")
FLOWSR = f"""
task = "flowsr"
architecture = {{ {ARCHITECTURE} }}
[crops]
preset = "moderate"
crop = 48
[loss]
l2 = 1.0
"""


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_file(squeezenet().state_dict(), file)
    return file


# --- the low-rank change ---


def lora_task(tmp_path: Path, trunk: Path, seed: int = 3):
    flow = weights_of(small(seed), SMALL, tmp_path / "flow.safetensors")
    return make_task(chosen(tmp_path, LORA), str(flow), trunk)


def test_the_change_learns_and_its_network_stays(tmp_path, trunk):
    task = lora_task(tmp_path, trunk)
    batch = DegradedBatch(*torch.rand(2, 4, 3, 48, 48), *torch.ones(2, 4))
    names, logged = [], {}
    for name, loss, values in task.losses(batch, 10):
        loss.backward()
        names.append(name)
        assert torch.isfinite(loss)
        logged |= values
    assert all(math.isfinite(v) for v in logged.values())
    assert names == ["network", "uncertainty", "discriminator"]
    ups = [p for n, p in task.networks["network"].named_parameters() if n.endswith("-up")]
    assert sum(p.grad is not None and bool(p.grad.any()) for p in ups) > len(ups) // 2
    assert all(p.grad is None for p in task.base.parameters())
    changed = task._changed()
    torch.manual_seed(0)
    made = {task._sample(changed, batch.lr * 2 - 1).mean().item() for _ in range(8)}
    assert len(made) == 2  # one step and two
    # As the gradient reached the network: from a gap of 0 both would be log 2.
    assert logged["gap"] != 0
    assert abs(logged["adversary"] - math.log(2) - logged["gap"] / 2) < 0.1


def test_only_the_last_of_several_steps_builds_a_graph(tmp_path, trunk):
    text = LORA + "steps = [2]\n"
    flow = weights_of(small(3), SMALL, tmp_path / "flow.safetensors")
    task = make_task(chosen(tmp_path, text), str(flow), trunk)
    built, changed = [], task._changed()

    def watched(*inputs, **named):
        built.append(torch.is_grad_enabled())
        return changed(*inputs, **named)

    task._sample(watched, torch.rand(1, 3, 48, 48)).mean().backward()
    assert built == [False, True]
    assert task.lora.get_parameter("head-up").grad.any()


def test_steps_without_a_value_leave_a_gap_in_the_log(tmp_path, trunk):
    text = LORA.replace("ramp = 2", "ramp = 1000000").replace("negative_share = 0.25", "negative_share = 0.0")
    given = chosen(tmp_path, text + "adversary_start = 2\n", 3)
    flow = weights_of(small(3), SMALL, tmp_path / "flow.safetensors")
    Trainer(given, make_task(given, str(flow), trunk), Photos(EXAMPLES), tmp_path / "run").run()
    with (tmp_path / "run" / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["map"] == "nan"  # no jump yet
    assert float(row["discriminator"]) > 0.3  # of the one step that had it, not of all three
    assert math.isfinite(float(row["gap"]))
    assert plot._smooth([1.0, math.nan, 3.0])[::2] == [1.0, 2.0]
    assert math.isnan(plot._smooth([1.0, math.nan])[1])


def test_a_change_needs_its_network(tmp_path, trunk):
    with pytest.raises(RecipeError, match="--flow"):
        make_task(chosen(tmp_path, LORA), None, trunk)
    with pytest.raises(RecipeError, match="has no target_ema"):  # its teacher is frozen
        make_task(chosen(tmp_path, LORA + "target_ema = 0.9\n"), "flow.safetensors", trunk)
    other = weights_of(small(width=8), SMALL | {"width": 8}, tmp_path / "other.safetensors")
    with pytest.raises(RecipeError, match="architecture"):
        make_task(chosen(tmp_path, LORA), str(other), trunk)
    ignorant = small()
    ignorant.times.negative.data.zero_()
    weights_of(ignorant, SMALL, tmp_path / "ignorant.safetensors")
    with pytest.raises(RecipeError, match="has not learned what is negative"):
        make_task(chosen(tmp_path, LORA), str(tmp_path / "ignorant.safetensors"), trunk)


# --- validation ---


def test_a_network_with_noise_is_scored_from_the_start_that_it_knows(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.open(EXAMPLES / "cat.png").convert("RGB").resize((64, 48)).save(folder / "cat.png")
    noisy = make_task(chosen(tmp_path, TINY.replace("quality = true", "quality = true, noise = 0.1")))
    network = small(noise=0.1)
    own, warm, cold = (
        Validation(folder, (2,), sampling, "moderate")(noisy, network)
        for sampling in (None, Sampling(temperature=1.0), Sampling(temperature=0.0))
    )
    assert own == warm == Validation(folder, (2,), preset="moderate")(noisy, network)
    assert own != cold


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
        task = make_task(given, str(flow) if stage == "change" else None, trunk)
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


def test_a_run_goes_on_by_its_own_command_only(tmp_path):
    for name, text in (("flowmap-base", TINY), ("mine", TINY)):
        given = chosen(tmp_path, text, 1)
        given = dataclasses.replace(given, name=name)
        Trainer(given, make_task(given), Photos(EXAMPLES), tmp_path / name).run()

    def resumed(command: str, run: str):
        arguments = ["train", command, "--out", tmp_path / run, "--resume", "--data", EXAMPLES]
        return RUNNER.invoke(app, [str(a) for a in arguments])

    assert [resumed("flowmap-base", run).exit_code for run in ("flowmap-base", "mine")] == [0, 0]
    result = resumed("flowmap", "flowmap-base")
    assert (result.exit_code, "a run of flowmap-base, not of flowmap" in result.stderr) == (2, True), result.output


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


def exported(tmp_path: Path, name: str, text: str, *needs) -> Path:
    """Weights of a run that has not begun."""
    given = chosen(tmp_path, text)
    Trainer(given, make_task(given, *needs), Photos(EXAMPLES), tmp_path / name).save()
    export(tmp_path / name, tmp_path / f"{name}.safetensors", data="two photos")
    return tmp_path / f"{name}.safetensors"


def test_exported_weights_are_used_by_their_files(tmp_path, trunk):
    network, flowsr = exported(tmp_path, "map", TINY), exported(tmp_path, "flowsr", FLOWSR)
    other = exported(tmp_path, "other", TINY + "[options]\nbridge = 0.01\n")
    change = exported(tmp_path, "change", LORA.replace("guidance = 2.0\n", ""), str(network), trunk)
    assert read_metadata(network)["pipeline"] == "flowmap"
    old = {k: v for k, v in read_metadata(network).items() if k not in ("pipeline", "role")}
    save_file(load_file(network), tmp_path / "old.safetensors", old)

    models = [Upscaler.from_file(f).model for f in (network, flowsr, tmp_path / "old.safetensors")]
    assert [type(m) for m in models] == [FlowmapModel, FlowsrModel, FlowsrModel]
    assert [Upscaler.from_file(network, lora=f).model.most_detail for f in (None, change)] == [0, 2]

    def upscale(*arguments: object):
        picture = [EXAMPLES / "cat.png", "-s", 1, "-o", tmp_path / "out.png", "--overwrite"]
        return RUNNER.invoke(app, ["upscale", *[str(a) for a in (*picture, *arguments)]])

    result = upscale("-m", network, "--lora", change, "--detail", 1.5, "--steps", 2)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    for arguments, code, says in [
        (["-m", network, "--detail", 0.5], 0, "which has no low-rank change"),
        (["-m", other, "--lora", change], 4, "is a change of " + store.sha256(network)[:12]),
        (["-m", flowsr, "--lora", change], 4, "is no flow map"),
        (["-m", network, "--lora", flowsr], 4, "is no low-rank change"),
        (["-m", change], 4, "--lora"),
        (["--lora", change], 2, "--lora goes with -m"),
    ]:
        result = upscale(*arguments)
        assert (result.exit_code, says in result.stderr) == (code, True), result.output
        assert "Traceback" not in result.output


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


class Stopped(Exception):
    pass


def test_an_ablation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    text = TINY + GUIDED.replace("FORM", "shortcut").replace("perceptual = 0.01\n", "")
    base, warm = chosen(tmp_path, text, 5), weights_of(small(), SMALL, tmp_path / "warm.safetensors")
    photos, out = Photos(EXAMPLES), tmp_path / "out"
    crops = ablation.Crops(EXAMPLES, base.crops, 2)
    arms = ablation.ARMS[:2]
    monkeypatch.setattr(ablation, "ARMS", arms)
    step, taken = Trainer._train_step, []

    def watched(self, batch):
        if self.out.parent == out:  # not those that are measured
            if len(taken) == 7:
                raise Stopped
            taken.append((self.out.name, self.step))
        return step(self, batch)

    def saving(self, **options):  # after every step
        return run(self, save_minutes=0.0, **options)

    run = Trainer.run
    monkeypatch.setattr(Trainer, "_train_step", watched)
    monkeypatch.setattr(Trainer, "run", saving)
    with pytest.raises(Stopped):
        ablation.run(base, warm, photos, crops, out)
    folder = out / "lagrangian"
    with (folder / "validation.csv").open("a") as file:
        file.write("3,1,1,1,1,1,1\n4,9")  # of a step after the checkpoint
    with pytest.raises(RecipeError, match="of another recipe, start, photos or scores"):
        ablation.run(chosen(tmp_path, text, 6), warm, photos, crops, out)
    with pytest.raises(RecipeError, match="of another recipe, start, photos or scores"):
        ablation.run(base, warm, photos, ablation.Crops(EXAMPLES, base.crops, 1), out)
    taken.clear()
    again = ablation.run(base, warm, photos, crops, out)
    assert taken == [("lagrangian", n) for n in (2, 3, 4)]
    assert [(r.arm, r.steps, r.ended) for r in again] == [(a.label, 5, "done") for a in arms]
    with (folder / "validation.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5"]
    stray = tmp_path / "stray"
    stray.mkdir()
    (stray / "notes.txt").touch()
    with pytest.raises(RecipeError, match="not empty"):
        ablation.run(base, warm, photos, crops, stray)


def test_all_arms_do_the_steps_that_fit_at_the_slowest_pace(tmp_path, monkeypatch):
    base = chosen(tmp_path, TINY + GUIDED.replace("FORM", "shortcut"), 400)
    paces = {"shortcut guided": 0.5, "lagrangian guided": 2.0, "eulerian guided": 1.0}
    monkeypatch.setattr(ablation_plan, "_pace", lambda setting, arm: paces[arm.label])
    monkeypatch.setattr(ablation_plan, "_scored", lambda setting: ({"step": 0.0}, 1.0))
    warm = weights_of(small(), SMALL, tmp_path / "warm.safetensors")
    setting = ablation_plan.Setting(base, warm, Photos(EXAMPLES), lambda network: {}, "", None, "cpu")
    # 2400 seconds, without 6 * 9 for scores and a tenth: 2111, of which 6 arms take 12 for each step.
    assert ablation_plan.planned(setting, tmp_path / "a", 40.0).steps in (175, 176)
    assert ablation_plan.planned(setting, tmp_path / "a", 1.0).steps in (175, 176)  # as it was planned
    assert ablation_plan.planned(setting, tmp_path / "b", 400.0).steps == 400
    long = dataclasses.replace(base, optim=dataclasses.replace(base.optim, warmup=100))
    shares = [learning_rate_share(ablation_plan.Plan(50, {}).recipe(long).optim, step) for step in (0, 4, 49)]
    assert shares == pytest.approx([0.2, 1.0, 0.01], abs=0.01)
    with pytest.raises(RecipeError, match="too few"):
        ablation_plan.planned(setting, tmp_path / "c", 1.0)


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
    result = ablation._train(ablation.ARMS[0], trainer, crops)
    assert (result.ended, result.steps) == ("diverged", 2)
    trainer.ema.head.weight.fill_(float("nan"))
    assert all(math.isnan(v) for v in crops(trainer.ema).values())


IDLE = [("--validate-every", 5), ("--versions", 3), ("--flow", "x"), ("--degradation", "degflow"), ("--cache", "x")]
WITHOUT_FLOW = [
    "flowmap-base", "flowmap", "flowmap-guided", "linf-base", "linf", "srflow-base", "srflow", "flowsr-base",
    "degflow-ae", "degflow",
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["flowmap", "--formulation", "hamiltonian"], "shortcut, lagrangian, eulerian"),
        (["linf-base", "--formulation", "shortcut"], "has no formulation"),
        (["flowmap-base", "--formulation", "shortcut"], "has no formulation"),
        (["flowmap-base", "--ablation"], "--ablation is for train flowmap"),
        (["flowmap", "--ablation"], "needs a warm start"),
        *((["flowmap", "--ablation", *idle], f"{idle[0]} would have no effect") for idle in IDLE),
        (["flowmap", "--lpips-weights", "x.safetensors"], "is for --ablation"),
        (["flowmap", "--ablation", "--init", "fresh.safetensors", "--val", "photos"], "what is negative"),
        (["flowmap", "--ablation", "--recipe", "plain.toml", "--init", "x", "--val", "photos"], "other than 1"),
        (["flowmap", "--recipe", "blind.toml"], "quality = true"),
        (["flowmap", "--recipe", "conditioned.toml"], "no second input"),
        (["flowmap-guided"], "--trunk"),
        (["flowmap", "--recipe", "plain.toml"], "--init"),
        (["flowmap-guided", "--recipe", "guided.toml", "--init", "small.safetensors"], "what is negative"),
        *(([name, "--flow", "linf-s"], "leave out --flow") for name in WITHOUT_FLOW),
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
    Path("guided.toml").write_text(plain + "guidance = 2.0\n")
    weights_of(build(SMALL), SMALL, Path("small.safetensors"))
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
