"""FlowSR from photos to a picture: both stages, resumed runs, recipes that are refused."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from srcli.cli.app import app
from srcli.geometry import Size
from srcli.methods.flowsr.training import end
from srcli.methods.registry import assemble
from srcli.tiling.model import Sampling
from srcli.training import recipe
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.photos import Photos
from srcli.training.inference import whole
from srcli.training.loop import Trainer, read_metadata
from srcli.training.tasks import make_task
from srcli.weights import store
from tests.methods.flowsr.steps import TINY, small
from tests.support.command import RUNNER, train
from tests.support.places import EXAMPLES

SECOND = """
consistency = 0.5
adversary = 0.01
[options]
adversary_start = 2
faithful_share = 0.5
distance_perceptual = 0.01
"""


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
