"""DegFlow trains: its step is the official one, and what it has learned teaches others."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from srcli.methods.degflow.autoencoder import Autoencoder
from srcli.methods.degflow.network import NCSNpp
from srcli.methods.degflow.training import step_at
from srcli.training import recipe
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer, read_metadata
from srcli.training.monitor.validation import LevelValidation
from srcli.training.optimizer import Optimizer
from srcli.training.tasks import make_task
from srcli.weights import store
from srcli.weights.model_files import load_part
from tests.methods.degflow.networks import FORWARD, close, lively
from tests.methods.degflow.steps import STAGE2, autoencoder_in, no_mixed, recipe_of, run, written
from tests.support.places import EXAMPLES

# --- parity ---


def test_a_training_step_is_the_official_one(reference):
    folder = reference / "parity" / "degflow"
    data = load_file(folder / "in" / "inputs.safetensors") | load_file(folder / "out" / "outputs.safetensors")
    ae = load_part(folder / "weights" / "ae_layout.pth", "degflow", "autoencoder")
    flow = load_part(folder / "weights" / "flow_layout.pth", "degflow", "flow")
    images = data["train.imgs"]
    with torch.no_grad(), torch.autocast("cpu", enabled=False), no_mixed():
        for number in range(4):
            close(ae.encoder(images[number])[0], data["train.latents"][number], FORWARD)
        made = step_at(flow, ae, images[[0, 1, 3]], data["train.t"])
    flow_loss = (made.velocity - made.derivative).square().mean()
    with torch.no_grad(), no_mixed():
        decoded = made.decoded(ae) * 0.5 + 0.5
    following = images[[0, 1, 3]][made.following, range(images.shape[1])] * 0.5 + 0.5
    close(decoded, data["train.taylor_decoded_01"], FORWARD)
    close(following, data["train.target_01"], FORWARD)
    close(flow_loss.view(1), data["train.loss_flow_mean"], FORWARD)
    proxy = (decoded - following).abs().mean()
    close(proxy.view(1), data["train.l1_proxy_mean"], FORWARD)
    close((flow_loss + 0.1 * proxy).view(1), data["train.loss_total"], FORWARD)


def test_only_the_velocity_carries_a_gradient_and_the_autoencoder_stays():
    ae, flow = (lively({"kind": "degflow-ae", "base_dim": 8}), lively({"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1}))
    flow.requires_grad_(True)
    made = step_at(flow, ae, torch.rand(3, 2, 3, 64, 64) * 2 - 1, torch.tensor([0.2, 0.8]))
    made.decoded(ae).sum().backward()
    assert flow.all_modules[-1].weight.grad.abs().sum() > 0  # by way of the decoder
    assert not made.derivative.requires_grad
    assert all(p.grad is None for p in ae.parameters())


def calls_of(module: torch.nn.Module) -> list[tuple[int, ...]]:
    """Shapes of what a module is given from now on."""
    seen: list[tuple[int, ...]] = []
    module.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    return seen


@pytest.mark.parametrize(("weight", "decodes"), [(0.0, 0), (0.1, 1)])
def test_a_step_encodes_once_and_decodes_only_for_a_loss(tmp_path, weight, decodes):
    chosen = recipe_of(tmp_path, STAGE2 + "[options]\ntimes = 3", decoded=weight)
    task = make_task(chosen, autoencoder=autoencoder_in(tmp_path))
    parts = (task.autoencoder.encoder.stem, task.autoencoder.decoder.conv_in, task.network)
    encoded, decoded, moved = map(calls_of, parts)
    next(task.losses(replace(chosen.crops, batch=2).draw(Photos(EXAMPLES), 0, 0), 0))
    assert encoded == [(6, 3, 64, 64)]
    assert decoded == decodes * [(2, 4, 8, 8)]
    assert moved == [(6, 4, 8, 8)]


def test_each_time_of_a_crop_is_a_step_of_its_own():
    ae, flow = lively({"kind": "degflow-ae", "base_dim": 8}), lively({"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1})
    images, t = torch.rand(3, 2, 3, 64, 64) * 2 - 1, torch.tensor([0.2, 0.8, 0.5, 0.1])
    with torch.no_grad():
        both, first, second = step_at(flow, ae, images, t), *(step_at(flow, ae, images, part) for part in t.chunk(2))
        for name in ("velocity", "derivative", "reached", "following"):
            close(getattr(both, name), torch.cat([getattr(first, name), getattr(second, name)]), 1e-5)
        close(both.decoded(ae), first.decoded(ae), 1e-5)


def test_crops_may_lie_elsewhere_on_the_path():
    ae, flow = lively({"kind": "degflow-ae", "base_dim": 8}), lively({"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1})
    images, t = torch.rand(3, 2, 3, 64, 64) * 2 - 1, torch.tensor([0.2, 0.4, 0.3, 0.1])
    own, nearer = ae.positions(), torch.tensor([0.0, 0.2, 0.6])
    with torch.no_grad():
        usual, other, mixed = (
            step_at(flow, ae, images, t, p) for p in (None, nearer[:, None].repeat(1, 2), torch.stack([own, nearer], 1))
        )
        for name in ("derivative", "reached", "following"):
            close(getattr(mixed, name)[0::2], getattr(usual, name)[0::2], 1e-5)
            close(getattr(mixed, name)[1::2], getattr(other, name)[1::2], 1e-5)
        assert not torch.allclose(usual.derivative, other.derivative)
    assert usual.following.tolist() == [1, 2, 1, 1]
    assert other.following.tolist() == [2, 2, 2, 1]


def test_the_relative_loss_divides_by_the_mean_of_all_batches(tmp_path):
    """A batch of flat crops, whose latents hardly move, would count like any other if it were its own measure."""
    chosen = recipe_of(tmp_path, STAGE2 + "[options]\nrelative = true")
    task = make_task(chosen, autoencoder=autoencoder_in(tmp_path))
    for parameter in task.network.all_modules[-1].parameters():
        torch.nn.init.zeros_(parameter)  # no velocity at all
    strong = replace(chosen.crops, batch=2).draw(Photos(EXAMPLES), 0, 0)
    weak = replace(strong, images=strong.images[:1] + 0.1 * (strong.images - strong.images[:1]))
    first, second = (next(task.losses(batch, 0))[2]["flow"] for batch in (strong, weak))
    assert first == pytest.approx(1)
    assert second < 0.3
    assert set(task.networks["scale"].state_dict()) == {"mean", "seen"}


@pytest.mark.usefixtures("_ctrl_c")
def test_a_resumed_flow_repeats_an_uninterrupted_one(tmp_path):
    chosen = recipe_of(tmp_path, STAGE2 + "[options]\nrelative = true\ntimes = 2", decoded=0, steps=4)
    ae, photos = autoencoder_in(tmp_path), Photos(EXAMPLES)

    def trainer(folder: str) -> Trainer:
        return Trainer(chosen, make_task(chosen, autoencoder=ae), photos, tmp_path / folder)

    trainer("whole").run()
    with pytest.raises(KeyboardInterrupt):
        trainer("parts").run(progress=lambda step, _: signal.raise_signal(signal.SIGINT) if step == 2 else None)
    second = trainer("parts")
    second.resume()
    second.run()
    whole, parts = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole["scale/seen"] == 4
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_levels_are_also_scored_from_the_photos_own_latent():
    """Where nothing is generated, both scores are of the same picture."""

    class Still:
        def made(self, network: object, images: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
            return {1: images[1], 2: images[1], 3: images[3], 4: images[1]}

    scores = LevelValidation(EXAMPLES)(Still(), torch.nn.Linear(1, 1))
    assert scores["psnr_x2"] == scores["own_x2"] > scores["own_x4"] == scores["psnr_x4"]
    assert scores["psnr_x3"] == float("inf")
    assert scores["own_x2"] > scores["own_x3"] > scores["own_x4"]


# --- both stages ---


def test_each_stage_learns(trained):
    ae, flow = (store.load_network(trained / f"{n}.safetensors") for n in ("ae", "flow"))
    assert isinstance(ae, Autoencoder)
    assert isinstance(flow, NCSNpp)
    task = make_task(recipe.load(str(trained / "stage1.toml")))
    validation = LevelValidation(EXAMPLES)
    before = validation(task, task.networks["network"])
    after = validation(task, ae)
    assert min(after[k] - before[k] for k in after if "psnr" in k) > 3  # dB
    chosen = recipe.load(str(trained / "stage2.toml"))
    second = make_task(chosen, trunk=trained / "trunk.safetensors", autoencoder=trained / "ae.safetensors")
    assert set(validation(second, flow)) == {f"{kind}_x{s}" for kind in ("psnr", "own") for s in (2, 3, 4)}
    log = (trained / "flow" / "log.csv").read_text().splitlines()
    assert log[0] == "step,seconds,flow,decoded,perceptual"


def test_a_flow_fits_the_path_that_it_is_shown(tmp_path):
    autoencoder = {"kind": "degflow-ae", "base_dim": 8}
    save_file(lively(autoencoder).state_dict(), tmp_path / "ae.safetensors", {"architecture": json.dumps(autoencoder)})
    text = STAGE2.replace("perceptual = 0.1", "").replace("warmup = 5", "warmup = 1").replace("lr = 2e-3", "lr = 5e-3")
    (tmp_path / "r.toml").write_text(text + "[options]\nrelative = true")
    chosen = recipe.load(str(tmp_path / "r.toml"), steps=1000)
    task = make_task(chosen, autoencoder=tmp_path / "ae.safetensors")
    batch = replace(chosen.crops, batch=2).draw(Photos(EXAMPLES), 9, 0)
    optimizer, logged = Optimizer(task.networks["network"], chosen.optim), []
    for step in range(30):
        torch.manual_seed(0)  # the same times
        _, loss, values = next(task.losses(batch, step))
        optimizer.step(loss, step)
        logged.append(values["flow"])
    assert logged[0] == pytest.approx(1)  # no velocity at all
    assert logged[-1] < 0.4


def test_a_flow_says_which_autoencoder_it_belongs_to(trained):
    digest = store.tensors_sha256(store.load_network(trained / "ae.safetensors").encoder)
    assert read_metadata(trained / "flow.safetensors")["autoencoder"] == digest
    scores = json.loads(read_metadata(trained / "ae.safetensors")["scores"])
    assert scores["psnr_x3"] > 10
    resumed = ["train", "degflow", "--data", EXAMPLES, "--out", trained / "flow", "--resume", "--trunk",
               trained / "trunk.safetensors", "--autoencoder"]  # fmt: skip
    assert "state in" in run(*resumed, written(trained, "again", 0.0))  # another file of the same weights
    other = written(trained, "other", 0.01)
    assert "another autoencoder" in run(*resumed, other, code=2)
    out = run("train", "export", trained / "flow", "-o", trained / "scored.safetensors", "--data", "photos", "--val",
              EXAMPLES, "--autoencoder", other, code=2)  # fmt: skip
    assert "another autoencoder" in out


def test_an_autoencoder_of_another_training_is_refused(trained, tmp_path):
    flow, common = trained / "flow.safetensors", [EXAMPLES / "cat.png", "-o", tmp_path, "--scale", 2]
    out = run("degrade", *common, "--flow", flow, "--autoencoder", written(trained, "other", 0.01), code=4)
    assert "another autoencoder" in out
    assert not list(tmp_path.iterdir())
    unsaid = tmp_path / "unsaid.safetensors"
    metadata = read_metadata(flow)
    save_file(load_file(flow), unsaid, {"architecture": metadata["architecture"]})
    run("degrade", *common, "--flow", unsaid, "--autoencoder", trained / "other.safetensors")
    run("degrade", *common, "--flow", flow, "--autoencoder", written(trained, "again", 0.0), "--overwrite")


def test_trained_weights_degrade_pictures(trained, tmp_path):
    networks = ["--autoencoder", trained / "ae.safetensors", "--flow", trained / "flow.safetensors"]
    run("degrade", EXAMPLES / "cat.png", "-o", tmp_path, *networks, "--scale", 2.5)
    told = json.loads((tmp_path / "cat_degflow_x2.5.json").read_text())
    assert told["weights"]["flow"] == store.sha256(trained / "flow.safetensors")
    assert Image.open(tmp_path / "cat_degflow_x2.5.png").size == Image.open(EXAMPLES / "cat.png").size
