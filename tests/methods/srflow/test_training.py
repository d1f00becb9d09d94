"""SRFlow trains, exports, and upscales from the command line with what it has learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.methods.srflow.network import SRFlow
from srcli.networks.trunks import squeezenet
from srcli.training import recipe
from srcli.training.data.photos import Photos, draw_batch
from srcli.training.loop import Trainer
from srcli.training.tasks import make_task
from srcli.weights import manifest, store
from tests.support.places import EXAMPLES

RUNNER = CliRunner()
FLOW = """
task = "srflow"
[architecture]
kind = "srflow"
blocks = 1
features = 16
growth = 8
stacked = [0]
steps = 2
hidden = 16
slope = 0.1
centred = true
[crops]
batch = 4
crop = 12
scales = [4.0, 4.0]
windows = 0
window = 48
patch = 1
[optim]
name = "muon"
lr = 3e-3
warmup = 2
steps = 40
[loss]
LOSS
"""
BASE, NLL = FLOW.replace("LOSS", "upsampling = 1.0"), FLOW.replace("LOSS", "nll = 1.0\n[options]\nfeatures_from = 20")
PRIOR = """
task = "srflow-prior"
[architecture]
kind = "level-prior"
channels = [6, 96]
ratios = [2, 0.5]
condition = 32
width = 16
blocks = 1
[crops]
batch = 2
crop = 12
scales = [4.0, 4.0]
windows = 0
window = 48
patch = 1
[optim]
name = "muon"
warmup = 1
steps = 5
[loss]
perceptual = 1.0
pixel = 4.0
latent = 0.1
"""


def run(*arguments: object):
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def losses_of(chosen: recipe.Recipe, network: dict[str, torch.Tensor] | None = None) -> dict[str, float]:
    task = make_task(chosen)
    if network is not None:
        task.networks["network"].load_state_dict(network)
    batch = draw_batch(Photos(EXAMPLES), replace(chosen.crops, batch=8), 9, 0)
    with torch.no_grad():
        return next(task.losses(batch, 0))[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Exported weights of the three stages, flow.safetensors and prior.safetensors among them."""
    folder = tmp_path_factory.mktemp("srflow")
    common = ["--data", EXAMPLES, "--threads", 1]
    for stage, text, init in (("srflow-base", BASE, None), ("srflow", NLL, "srflow-base")):
        options = ["--recipe", written(folder, f"{stage}.toml", text), "--out", folder / stage]
        options += ["--init", folder / f"{init}.safetensors"] if init else []
        run("train", stage, *options, *common)
        run("train", "export", folder / stage, "-o", folder / f"{stage}.safetensors", "--data", "two photos")
    save_file(squeezenet().state_dict(), folder / "trunk.safetensors")
    options = ["--recipe", written(folder, "prior.toml", PRIOR), "--out", folder / "prior"]
    options += ["--flow", folder / "srflow.safetensors", "--trunk", folder / "trunk.safetensors"]
    run("train", "srflow-prior", *options, *common, "--val", EXAMPLES)
    run("train", "export", folder / "prior", "-o", folder / "prior.safetensors", "--data", "two photos")
    return folder


def test_each_stage_learns(trained):
    base, flow = (load_file(trained / f"{n}.safetensors") for n in ("srflow-base", "srflow"))
    base, flow = ({k: v.float() for k, v in state.items()} for state in (base, flow))
    chosen = recipe.load(str(trained / "srflow-base.toml"))
    assert losses_of(chosen, base)["upsampling"] < 0.97 * losses_of(chosen)["upsampling"]
    chosen = recipe.load(str(trained / "srflow.toml"))
    # Against a flow whose norms have seen the same batch and that has learned nothing.
    assert losses_of(chosen, flow)["nll"] < losses_of(chosen, base)["nll"] - 0.3


def test_the_likelihood_trains_the_features_only_from_its_step(tmp_path):
    def changed(steps: int) -> bool:
        chosen = recipe.load(str(written(tmp_path, "nll.toml", NLL.replace("from = 20", "from = 2"))), steps=steps)
        task = make_task(chosen)
        before = task.networks["network"].RRDB.conv_first.weight.clone()
        Trainer(chosen, task, Photos(EXAMPLES), tmp_path / str(steps)).run()
        return not torch.equal(task.networks["network"].RRDB.conv_first.weight, before)

    assert (changed(2), changed(3)) == (False, True)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, steps):
    path = str(written(tmp_path, "nll.toml", NLL))

    def trainer(out: str, until: int) -> Trainer:
        chosen = recipe.load(path, steps=until)
        return Trainer(chosen, make_task(chosen), Photos(EXAMPLES), tmp_path / out)

    trainer("whole", 5).run()
    first = trainer("parts", 5)

    def interrupt(step: int, values: dict[str, float]) -> None:
        if step == steps:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        first.run(progress=interrupt)
    first.save()
    second = trainer("parts", 5)
    second.resume()
    assert second.step == steps
    second.run()
    whole, parts = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_prior_tells_how_often_the_inverse_is_not_finite(trained):
    columns, *rows = (trained / "prior" / "log.csv").read_text().splitlines()
    assert columns.split(",")[2:] == ["latent", "pixel", "perceptual", "not_finite"]
    assert [row.split(",")[-1] for row in rows] == ["0"]
    chosen = recipe.load(str(trained / "prior.toml"))
    task = make_task(chosen, str(trained / "srflow.safetensors"), trained / "trunk.safetensors")
    batch = draw_batch(Photos(EXAMPLES), chosen.crops, 0, 0)
    batch.lr[0] = float("inf")  # as a network that explodes would make of it
    _, loss, values = next(task.losses(batch, 0))
    assert values["not_finite"] == 0.5
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in task.prior.parameters() if p.grad is not None)


def test_crops_of_another_scale_are_refused(trained):
    chosen = recipe.load(str(trained / "srflow-base.toml"))
    wrong = replace(chosen, crops=replace(chosen.crops, scales=(3.0, 3.0)))
    with pytest.raises(recipe.RecipeError, match="scale 4 alone"):
        losses_of(wrong)


def test_a_prior_of_another_flow_is_refused(trained):
    chosen = recipe.load(str(written(trained, "other.toml", PRIOR.replace("condition = 32", "condition = 16"))))
    with pytest.raises(recipe.RecipeError, match="features of 32"):
        make_task(chosen, str(trained / "srflow.safetensors"), trained / "trunk.safetensors")


@pytest.fixture
def models(trained, monkeypatch):
    """The trained weights as models of the manifest."""
    entries = {}
    for name, roles in (("tiny", {"flow": "srflow"}), ("tiny-lp", {"flow": "srflow", "prior": "prior"})):
        files = {role: trained / f"{file}.safetensors" for role, file in roles.items()}
        parts = {r: manifest.Part(r, f.name, bytes=f.stat().st_size, sha256=store.sha256(f)) for r, f in files.items()}
        entries[name] = replace(manifest.load().find(None), name=name, aliases=(), pipeline="srflow", parts=parts)
    monkeypatch.setattr(store, "EMBEDDED", trained)
    monkeypatch.setattr(manifest, "load", lambda: manifest.Manifest("tiny", entries))


@pytest.mark.parametrize("scale", ["4", "3.3"])
@pytest.mark.parametrize("model", ["tiny", "tiny-lp"])
def test_trained_weights_upscale_the_same_in_tiles(tmp_path, models, model, scale):
    cat = tmp_path / "cat.png"
    Image.open(EXAMPLES / "cat.png").convert("RGB").crop((60, 40, 151, 113)).save(cat)
    for tile, out in ((0, "whole.png"), (100, "tiled.png")):
        options = ["-n", model, "-s", scale, "--temperature", 0.5, "--seed", 3, "-t", tile, "--precision", "fp32"]
        run("upscale", cat, "-o", tmp_path / out, *options)
    whole, tiled = (np.asarray(Image.open(tmp_path / n)) for n in ("whole.png", "tiled.png"))
    assert np.array_equal(whole, tiled)
    small = np.asarray(Image.open(cat).resize((whole.shape[1], whole.shape[0]), Image.Resampling.BICUBIC))
    assert np.abs(small.astype(float) - whole).mean() < 15  # it is the same cat


def test_scales_beyond_the_network_are_refused(tmp_path, models):
    result = RUNNER.invoke(app, ["upscale", str(EXAMPLES / "cat.png"), "-n", "tiny", "-s", "5", "-o", str(tmp_path)])
    assert (result.exit_code, "outside 1 to 4" in result.stderr) == (2, True)


def test_hot_samples_are_repaired_with_a_note_or_refused(tmp_path, models):
    cat = tmp_path / "cat.png"
    Image.open(EXAMPLES / "cat.png").convert("RGB").crop((60, 40, 124, 88)).save(cat)
    common = ["upscale", cat, "-n", "tiny", "-s", 4, "--temperature", 4, "--precision", "fp32"]
    result = run(*common, "-o", tmp_path / "hot.png")
    assert "exploded in" in result.stderr
    result = RUNNER.invoke(app, [str(a) for a in [*common, "-o", tmp_path / "no.png", "--on-explode", "error"]])
    assert (result.exit_code, "explodes at pixel" in result.stderr) == (1, True)
    assert not (tmp_path / "no.png").exists()


def test_exported_flow_is_small_and_keeps_its_matrices(trained):
    state = load_file(trained / "srflow.safetensors")
    kept = {name for name, v in state.items() if v.dtype == torch.float32}
    assert kept == {name for name in state if ".invconv." in name}
    assert isinstance(store.load_network(trained / "srflow.safetensors"), SRFlow)
