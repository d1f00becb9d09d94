"""What goes beyond the published stages of DegFlow: straight latents, and a decoder that goes on beside the flow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from srcli.degrader import find
from srcli.flows.ode import Solver
from srcli.methods.degflow.autoencoder_training import DegflowAETask
from srcli.methods.degflow.model import DegflowModel
from srcli.training import recipe
from srcli.training.data.levels import LevelBatch
from srcli.training.data.photos import Photos, to_tensor
from srcli.training.inference import to_bytes
from srcli.training.optimizer import Optimizer
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from srcli.weights import store
from srcli.weights.model_files import load_part
from tests.methods.degflow.networks import close
from tests.methods.degflow.steps import EXAMPLES, STAGE1, no_mixed, recipe_of, run, written

PARTS = {"flow": "flow", "ae": "autoencoder"}
DECODER = STAGE1.replace("steps = 25", "steps = 4") + "[options]\ngenerated = 1.0\n"


def test_latents_learn_to_lie_on_a_line(tmp_path):
    """The middle level's between the others, at its scale, which is another one for each crop."""
    chosen = recipe_of(tmp_path, STAGE1.replace("[loss]", "[loss]\nstraight = 1.0"), l2=0, pixel=0, periodic=0)
    crops = replace(chosen.crops, shrink=1.5, crop=64, batch=6)
    task, batch = make_task(chosen), crops.draw(Photos(EXAMPLES), 0, 0)
    assert len(batch.scales[1].unique()) > 1
    autoencoder = task.networks["network"]
    optimizer, bent = Optimizer(autoencoder, replace(chosen.optim, lr=1e-3, warmup=1)), []
    for step in range(12):
        _, loss, values = next(task.losses(batch, step))
        optimizer.step(loss, step)
        bent.append(values["straight"])
    assert bent[-1] < 0.5 * bent[0]
    with torch.no_grad(), no_mixed():
        z1, z2, z4 = (autoencoder.encoder(level * 2 - 1)[0] for level in batch.images)
        _, _, values = next(task.losses(batch, 0))
    share = ((batch.scales[1] - 1) / (batch.scales[2] - 1)).view(-1, 1, 1, 1)
    away = (z2 - (z1 + share * (z4 - z1))).square().mean() / (z4 - z1).square().mean()
    assert values["straight"] == pytest.approx(away.item(), rel=0.1)
    with pytest.raises(RecipeError, match="three levels"):
        make_task(replace(chosen, crops=replace(crops, levels=(1, 4))))


@pytest.mark.parametrize("point", range(4))
def test_points_of_the_line_are_compared_with_the_level_there(tmp_path, monkeypatch, point):
    chosen = recipe_of(tmp_path, STAGE1.replace("[loss]", "[loss]\nstraight = 1.0"))
    task, batch = make_task(chosen), replace(chosen.crops, batch=2).draw(Photos(EXAMPLES), 0, 0)
    monkeypatch.setattr(torch, "randint", lambda high, size, **_: torch.full(size, point))
    monkeypatch.setattr("srcli.runtime.mixed", lambda device: torch.autocast(device.type, enabled=False))
    level = 1 if point == 3 else point
    autoencoder = task.networks["network"]
    with torch.no_grad():
        _, _, values = next(task.losses(batch, 0))
        (z1, f), (z2, _), (z4, _) = (autoencoder.encoder(image * 2 - 1) for image in batch.images)
        z = (z1, z2, z4, z1 + (z4 - z1) / 3)[point]
        made = autoencoder.decoder(z, f)
    expected = (made - (batch.images[level] * 2 - 1)).square().mean()
    assert values["l2"] == pytest.approx(expected.item(), rel=1e-3)


def test_the_decoder_goes_on_beside_the_flow(trained, tmp_path):
    (tmp_path / "decoder.toml").write_text(DECODER)
    common = ["train", "degflow-decoder", "--recipe", tmp_path / "decoder.toml", "--data", EXAMPLES, "--threads", 1]
    given = [*common, "--flow", trained / "flow.safetensors", "--out", tmp_path / "run"]
    run(*given, "--init", trained / "ae.safetensors")
    run("train", "export", tmp_path / "run", "-o", tmp_path / "ae.safetensors", "--data", "photos")
    before, after = (load_file(folder / "ae.safetensors") for folder in (trained, tmp_path))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("encoder.")} < same
    assert "decoder.refine.1.weight" not in same
    networks = ["--autoencoder", tmp_path / "ae.safetensors", "--flow", trained / "flow.safetensors"]
    run("degrade", EXAMPLES / "cat.png", "-o", tmp_path, *networks, "--scale", 2.5)  # they still belong together
    assert "--flow FILE" in run(*common, "--out", tmp_path / "other", code=2)
    assert "--init FILE" in run(*given[:-1], tmp_path / "other", code=2)
    other = written(trained, "other", 0.01)
    assert "another autoencoder" in run(*given[:-1], tmp_path / "other", "--init", other, code=2)
    assert not (tmp_path / "other").exists()


def test_the_decoder_is_scored_on_what_the_flow_makes(trained, tmp_path):
    (tmp_path / "decoder.toml").write_text(DECODER)
    flow, autoencoder = (load_part(trained / f"{n}.safetensors", "degflow", r) for n, r in PARTS.items())
    task = make_task(recipe.load(str(tmp_path / "decoder.toml")), flow=str(trained / "flow.safetensors"))
    photo = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))[:64, :64]
    images = {s: to_tensor(photo)[None] * (1 - 0.1 * s) for s in (1, 2, 3)}
    images[1] = to_tensor(photo)[None]
    model, made = DegflowModel(autoencoder, flow), task.made(autoencoder, images)
    for scale, expected in zip((2, 3), model.generate(photo, [2, 3], model.solver), strict=True):
        assert np.abs(to_bytes(made[scale]).astype(int) - expected).max() <= 1
    task.generated = 0  # else as its own latents come back
    assert not torch.allclose(task.made(autoencoder, images)[3], made[3], atol=0.02)


def test_a_decoders_flow_may_be_one_of_the_manifest(trained, tmp_path):
    (tmp_path / "decoder.toml").write_text(DECODER)
    chosen = recipe.load(str(tmp_path / "decoder.toml"))
    ours = find("degflow-s")
    assert make_task(chosen, flow="degflow-s").belongs == store.encoder_digest(ours.flow) != ""
    with pytest.raises(RecipeError, match="flowsr-s has no flow, but velocity"):
        make_task(chosen, flow="flowsr-s")
    with pytest.raises(RecipeError, match="no flow at nowhere"):
        make_task(chosen, flow="nowhere.pth")


@pytest.mark.parametrize("share", [-1, 5, "a"])
def test_the_share_that_is_generated_is_a_share(tmp_path, share):
    chosen = recipe_of(tmp_path, STAGE1)
    with pytest.raises(RecipeError, match="generated is a share"):
        make_task(replace(chosen, options={"generated": share}))
    with pytest.raises(RecipeError, match="generated keeps"):
        make_task(replace(chosen, options={"generated": 0.5}, loss={"l2": 1.0, "straight": 1.0}))


@pytest.mark.slow
def test_the_flow_leads_each_crop_to_its_own_level(trained, tmp_path, monkeypatch):
    """What is decoded is what the generator would decode for a crop at its scale."""
    (tmp_path / "decoder.toml").write_text(DECODER.replace("[crops]", "[crops]\nshrink = 1.4"))
    task = make_task(recipe.load(str(tmp_path / "decoder.toml")), flow=str(trained / "flow.safetensors"))
    monkeypatch.setattr("srcli.runtime.mixed", lambda device: torch.autocast(device.type, enabled=False))
    autoencoder = load_part(trained / "ae.safetensors", "degflow", "autoencoder")
    task.network.load_state_dict(autoencoder.state_dict())
    batch, shown = task_crops(task, tmp_path), []
    task.network.decoder.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    monkeypatch.setattr(torch, "randint", lambda high, size, **_: torch.full(size, 2))
    next(task.losses(batch, 0))
    model = DegflowModel(autoencoder, task.flow)
    with torch.no_grad():
        for number, scale in enumerate(batch.scales[2].tolist()):
            z, _ = autoencoder.encoder(batch.images[0, number : number + 1] * 2 - 1)
            close(shown[0][number : number + 1], model.path(z, [scale], Solver("rk4", 64))[0], 2e-3)
    assert len(batch.scales[2].unique()) > 1


def task_crops(task: DegflowAETask, folder: Path) -> LevelBatch:
    crops = recipe.load(str(folder / "decoder.toml")).crops
    return replace(crops, batch=6).draw(Photos(EXAMPLES), 0, 0)
