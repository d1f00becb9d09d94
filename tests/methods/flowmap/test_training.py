"""The stages of the flow map: the LoRA, each run resumable, its weights used."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from srcli import Upscaler
from srcli.cli.app import app
from srcli.geometry import Size
from srcli.methods.flowmap.lora import Lora
from srcli.methods.flowmap.losses import Directed, Pair
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.registry import assemble, build
from srcli.networks.discriminator import FeatureDiscriminator, PatchDiscriminator
from srcli.tiling.model import Sampling
from srcli.training.data.degraded import DegradedBatch, DegradedSpec
from srcli.training.data.photos import Photos
from srcli.training.export import export
from srcli.training.inference import whole
from srcli.training.loop import Trainer, read_metadata
from srcli.training.monitor import plot
from srcli.training.monitor.validation import Validation
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from srcli.weights import store
from tests.methods.flowmap.steps import ARCHITECTURE, GUIDED, MAP, RUNNER, SMALL, TINY, chosen, small, weights_of
from tests.support.command import train
from tests.support.places import EXAMPLES

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


# --- the LoRA ---


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
    made = {task._sample(changed, batch.lr * 2 - 1).mean().item() for _ in range(16)}
    assert len(made) == 3  # one step, two and four
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


def test_the_discriminator_sees_features_or_pixels(tmp_path, trunk):
    flow = str(weights_of(small(3), SMALL, tmp_path / "flow.safetensors"))
    batch = DegradedBatch(*torch.rand(2, 4, 3, 48, 48), *torch.ones(2, 4))
    for judge, kind in (("features", FeatureDiscriminator), ("pixels", PatchDiscriminator)):
        task = make_task(chosen(tmp_path, LORA + f'judge = "{judge}"\n'), flow, trunk)
        assert type(task.networks["discriminator"]) is kind
        for name, loss, _ in task.losses(batch, 10):
            loss.backward()
            assert torch.isfinite(loss), name
        weights = [p for n, p in task.networks["discriminator"].named_parameters() if not n.endswith("bias")]
        assert all(p.grad is not None and p.grad.any() for p in weights)
    with pytest.raises(RecipeError, match="features or pixels, not 'eyes'"):
        make_task(chosen(tmp_path, LORA + 'judge = "eyes"\n'), flow, trunk)
    with pytest.raises(RecipeError, match="needs a perceptual loss"):
        make_task(chosen(tmp_path, LORA.replace("perceptual = 0.01\n", "")), flow, trunk)


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

    pair = Pair.of(
        DegradedSpec(preset="heavy", crop=96, whole_share=1.0, whole_scales=(1,)).draw(Photos(EXAMPLES), 9, 0)
    )
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

    anyones = {k: v for k, v in read_metadata(change).items() if k != "flow"}
    save_file(load_file(change), tmp_path / "anyones.safetensors", anyones)

    models = [Upscaler.from_file(f).model for f in (network, flowsr, tmp_path / "old.safetensors")]
    assert [type(m) for m in models] == [FlowmapModel, FlowsrModel, FlowsrModel]
    assert [Upscaler.from_file(network, lora=f).model.most_detail for f in (None, change)] == [0, 2]

    def upscale(*arguments: object):
        picture = [EXAMPLES / "cat.png", "-s", 1, "-o", tmp_path / "out.png", "--overwrite"]
        return RUNNER.invoke(app, ["upscale", *[str(a) for a in (*picture, *arguments)]])

    result = upscale("-m", network, "--lora", change, "--detail", 1.5, "--steps", 2)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    for arguments, code, says in [
        (["-m", network, "--detail", 0.5], 0, "which has no LoRA"),
        (["-m", other, "--lora", change], 4, "belongs to the network with sha256 " + store.sha256(network)[:12]),
        (["-m", flowsr, "--lora", change], 4, "is not a flow map"),
        (["-m", network, "--lora", tmp_path / "anyones.safetensors"], 4, "does not say which network"),
        (["-m", network, "--lora", flowsr], 4, "is not a LoRA"),
        (["-m", change], 4, "--lora"),
        (["--lora", change], 2, "--lora goes with -m"),
    ]:
        result = upscale(*arguments)
        assert (result.exit_code, says in result.stderr) == (code, True), result.output
        assert "Traceback" not in result.output


SAMPLES = [(Size(50, 75), Sampling(steps=n, detail=d)) for n in (1, 2, 4) for d in (0.0, 2.0)]
