"""The ablation of the flow map in seconds, and the commands of its training that are refused."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import pytest
from PIL import Image

from srcli.cli.app import app
from srcli.methods.flowmap import ablation, ablation_plan
from srcli.methods.flowmap.times import FORMULATIONS
from srcli.methods.registry import build
from srcli.training import recipe
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.optimizer import learning_rate_share
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from tests.methods.degflow.steps import FLOWSR
from tests.methods.flowmap.steps import GUIDED, MAP, RUNNER, SMALL, TINY, chosen, small, weights_of
from tests.support.command import train
from tests.support.places import EXAMPLES


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
    setting = ablation_plan.Setting(
        base=base, warm=warm, photos=Photos(EXAMPLES), score=lambda network: {}, judged="", trunk=None, device="cpu"
    )
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


IDLE = [
    ("--validate-every", 5),
    ("--versions", 3),
    ("--autoencoder", "x"),
    ("--degradation", "degflow"),
    ("--cache", "x"),
]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["flowmap", "--formulation", "hamiltonian"], "shortcut, lagrangian, eulerian"),
        (["flowmap", "--recipe", "still.toml", "--formulation", "shortcut"], "has no formulation"),
        (["flowmap", "--ablation"], "needs a warm start"),
        *((["flowmap", "--ablation", *idle], f"{idle[0]} would have no effect") for idle in IDLE),
        (["flowmap", "--lpips-weights", "x.safetensors"], "goes with --ablation"),
        (["flowmap", "--ablation", "--init", "fresh.safetensors", "--val", "photos"], "what is negative"),
        (["flowmap", "--ablation", "--recipe", "plain.toml", "--init", "x", "--val", "photos"], "other than 1"),
        (["flowmap", "--recipe", "blind.toml"], "quality = true"),
        (["flowmap", "--recipe", "conditioned.toml"], "no second input"),
        (["flowmap-guided"], "--trunk"),
        (["flowmap", "--recipe", "plain.toml"], "--init"),
        (["flowmap-guided", "--recipe", "guided.toml", "--init", "small.safetensors"], "what is negative"),
        (["flowsr", "--recipe", "plain_flowsr.toml", "--flow", "flowsr-s"], "leave out --flow"),
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
    Path("still.toml").write_text(TINY.replace("STEPS", "3"))
    Path("plain_flowsr.toml").write_text(FLOWSR)
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
