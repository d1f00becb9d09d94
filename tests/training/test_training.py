"""Training learns, resumes to the step, and its exports run."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.methods.linf.network import LINF
from srcli.networks.trunks import squeezenet
from srcli.training import recipe
from srcli.training.catalogue import packaged
from srcli.training.data.photos import Photos, draw_batch
from srcli.training.loop import Trainer, read_metadata
from srcli.training.optimizer import learning_rate_share
from srcli.training.tasks import make_task
from srcli.weights import manifest, store
from tests.support.command import train
from tests.support.places import EXAMPLES

RUNNER = CliRunner()

TINY_LINF = """
task = "linf"
[architecture]
kind = "linf"
hidden = 16
flow_layers = 2
patch = 3
anchors = [2, 3]
encoder = { kind = "edsr", blocks = 1, features = 16 }
[crops]
batch = 2
crop = 24
windows = 2
window = 8
[optim]
name = "OPTIM"
lr = 3e-3
warmup = 2
steps = 100
[loss]
upsampling = 1.0
nll = 0.01
pixel = 3.0
periodic = 1.0
"""
TINY_PRIOR = """
task = "prior"
[architecture]
kind = "grid-prior"
hidden = 16
width = 8
coarse_width = 8
coarse = 1
[crops]
batch = 2
crop = 24
scales = [2.0, 4.0]
windows = 1
window = 16
[optim]
name = "muon"
warmup = 1
steps = 6
[loss]
pixel = 2.0
perceptual = 0.02
periodic = 5.0
adversary = 0.05
[options]
perceptual_at = [[2, 2.0], [4, 0.5]]
margin = 2
adversary_start = 2
"""


def recipe_file(tmp_path: Path, optim: str = "muon") -> Path:
    path = tmp_path / f"{optim}.toml"
    path.write_text(TINY_LINF.replace("OPTIM", optim))
    return path


def trainer(chosen: recipe.Recipe, out: Path) -> Trainer:
    return Trainer(chosen, make_task(chosen), Photos(EXAMPLES), out)


@pytest.mark.usefixtures("_ctrl_c")
@pytest.mark.parametrize("optim", ["adamw", "muon"])
def test_a_run_interrupted_and_resumed_equals_an_uninterrupted_one(tmp_path, optim):
    chosen = recipe.load(str(recipe_file(tmp_path, optim)), steps=6)
    trainer(chosen, tmp_path / "whole").run()

    def interrupt(step: int, values: dict[str, float]) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trainer(chosen, tmp_path / "parts").run(progress=interrupt)
    second = trainer(chosen, tmp_path / "parts")
    second.resume()
    assert second.step == 3
    second.run()
    whole, parts = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


@pytest.mark.usefixtures("_ctrl_c")
def test_an_interrupt_that_is_ignored_does_not_stop_a_run(tmp_path):
    """As in background jobs of a shell."""
    run = trainer(recipe.load(str(recipe_file(tmp_path, "adamw")), steps=3), tmp_path / "run")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run.run(progress=lambda step, values: signal.raise_signal(signal.SIGINT))
    assert run.step == 3


@pytest.mark.slow
def test_the_recipe_learns_exports_and_runs(tmp_path):
    run, weights = tmp_path / "run", tmp_path / "flow.safetensors"
    train(
        "linf", "--recipe", recipe_file(tmp_path), "--data", EXAMPLES, "--out", run, "--val", EXAMPLES, "--threads", 1
    )
    result = train("export", run, "-o", weights, "--data", "two photos", "--val", EXAMPLES)
    assert "psnr_y_x2" in result.stdout
    linf = store.load_network(weights)
    assert isinstance(linf, LINF)
    curves = train("plot", run)
    assert Image.open(curves.stdout.strip()).width > 400

    chosen = recipe.load(str(recipe_file(tmp_path)))
    batch = draw_batch(Photos(EXAMPLES), chosen.crops, 9, 0)

    def losses_of(task) -> dict[str, float]:
        with torch.no_grad():
            return next(task.losses(batch, 0))[2]

    after = make_task(chosen)
    after.networks["network"].load_state_dict(linf.state_dict())
    bilinear, trained = losses_of(make_task(chosen)), losses_of(after)
    assert trained["pixel"] < 0.95 * bilinear["pixel"]
    assert trained["nll"] < bilinear["nll"] - 0.5

    prior = tmp_path / "prior.toml"
    prior.write_text(TINY_PRIOR)
    trunk = tmp_path / "trunk.safetensors"
    save_file(squeezenet().state_dict(), trunk)
    options = ["--recipe", prior, "--data", EXAMPLES, "--flow", weights, "--threads", 1]
    train("prior", *options, "--trunk", trunk, "--out", tmp_path / "prior")
    train(
        "export",
        tmp_path / "prior",
        "-o",
        tmp_path / "prior.safetensors",
        "--data",
        "x",
        "--flow",
        weights,
        "--val",
        EXAMPLES,
    )
    assert store.load_network(tmp_path / "prior.safetensors").radius > 0
    assert read_metadata(tmp_path / "prior.safetensors")["flow"] == store.sha256(weights)
    other = tmp_path / "other.safetensors"
    save_file(load_file(weights), other, {**read_metadata(weights), "data": "others"})
    again = ["--trunk", trunk, "--out", tmp_path / "prior", "--data", EXAMPLES, "--resume", "--flow", other]
    result = RUNNER.invoke(app, ["train", "prior", *[str(a) for a in again]])
    assert (result.exit_code, "another flow" in result.stderr) == (2, True)
    with (tmp_path / "prior" / "checkpoint.safetensors").open("rb") as file:
        assert b"discriminator/" in file.read(200_000)


def test_a_frozen_encoder_stays_and_the_flow_learns(tmp_path):
    path = recipe_file(tmp_path)
    path.write_text(path.read_text() + "[options]\nfrozen = true\n")
    chosen = recipe.load(str(path), steps=3)
    before, run = make_task(chosen).networks["network"].state_dict(), trainer(chosen, tmp_path / "run")
    run.run()
    after = run.task.networks["network"].state_dict()
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"coef", "freq", "phase", "layers", "imnet"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["linf", "--data", "nowhere", "--out", "run"], "no photo"),
        (["linf", "--data", EXAMPLES, "--out", "run", "--resume"], "nothing to resume"),
        (["linf", "--data", EXAMPLES, "--out", "run", "--resume", "--seed", "2"], "leave out --recipe"),
        (["linf", "--recipe", "no.toml", "--data", EXAMPLES, "--out", "run"], "no recipe file"),
        (["linf", "--recipe", "odd.toml", "--data", EXAMPLES, "--out", "run"], "unknown colour"),
        (["prior", "--data", EXAMPLES, "--out", "run"], "--flow"),
        (["prior", "--data", EXAMPLES, "--out", "run", "--flow", "linf-s"], "--trunk"),
        (["prior", "--data", EXAMPLES, "--out", "run", "--flow", "linf-s", "--trunk", "odd.toml"], "cannot read"),
        (["prior", "--data", EXAMPLES, "--out", "run", "--flow", "no.safetensors"], "no flow at"),
        (["linf", "--recipe", "loss.toml", "--data", EXAMPLES, "--out", "run"], "has no pixle"),
        (["linf", "--recipe", "kind.toml", "--data", EXAMPLES, "--out", "run"], "does not train 'edsr'"),
        (["linf", "--data", EXAMPLES, "--out", "run", "--val", "empty"], "no photos in the validation folder"),
        (["export", "nowhere", "-o", "a.safetensors", "--data", "x"], "no checkpoint"),
        (["plot", "nowhere"], "no run with"),
    ],
    ids=lambda v: str(v[0]) if isinstance(v, list) else None,
)
def test_bad_training_commands_are_one_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    tiny = TINY_LINF.replace("OPTIM", "muon")
    Path("odd.toml").write_text(tiny + "[colour]\n")
    Path("loss.toml").write_text(tiny.replace("pixel =", "pixle ="))
    Path("kind.toml").write_text('task = "linf"\narchitecture = { kind = "edsr" }\n[loss]\npixel = 1.0\n')
    Path("empty").mkdir()
    result = RUNNER.invoke(app, ["train", *[str(a) for a in arguments]])
    assert result.exit_code in (1, 2, 4)
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_embedded_priors_and_changes_belong_to_the_flow_beside_them():
    ours = [entry for entry in manifest.load().entries.values() if entry.embedded]
    pairs = [(e, *roles) for e in ours for roles in (("flow", "prior"), ("velocity", "lora")) if roles[1] in e.parts]
    assert {entry.pipeline for entry, *_ in pairs} >= {"linf", "srflow", "flowmap"}
    for entry, of, beside in pairs:
        assert read_metadata(store.locate(entry.parts[beside]))["flow"] == store.sha256(store.locate(entry.parts[of]))


def test_every_packaged_recipe_is_a_command():
    assert sorted(packaged()) == recipe.available()
    for name in packaged():
        tasks = {name, name.removesuffix("-base"), name.removesuffix("-guided"), name.replace("-decoder", "-ae")}
        assert recipe.load(name).task in tasks


@pytest.mark.parametrize("name", packaged())
def test_help_has_the_examples_of_its_recipe_alone(name):
    shown = train(name, "--help").output.split("Examples:")[1].split()
    assert "train" in shown
    assert {after for word, after in pairwise(shown) if word == "train"} == {name}


def test_schedule_warms_up_and_decays():
    spec = recipe.OptimSpec(warmup=10, steps=110, final=0.1)
    shares = [learning_rate_share(spec, s) for s in range(111)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == shares[10] == 1.0
    assert shares[60] == pytest.approx(0.55)
    assert shares[110] == pytest.approx(0.1)
    assert np.all(np.diff(shares[10:]) <= 0)
