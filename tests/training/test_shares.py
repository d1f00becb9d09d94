"""Balanced recipes: each loss pulls at the picture by its share, whatever its own scale."""

from __future__ import annotations

import signal

import pytest
import torch
from safetensors.torch import load_file

from srcli.training import recipe
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from tests.support.places import EXAMPLES

FLOWSR = {
    "task": "flowsr",
    "balanced": True,
    "architecture": {
        "kind": "velocity", "width": 16, "before": 1, "after": 1, "coarse_width": 16, "coarse": 1, "thin": 8,
    },
    "crops": {"batch": 2, "crop": 32, "margin": 8},
    "optim": {"name": "muon", "warmup": 1, "steps": 4},
    "loss": {"l2": 0.25, "pixel": 0.75},
}  # fmt: skip


def test_the_gradient_on_the_picture_is_shared_out():
    task = make_task(recipe.parse("own", FLOWSR))
    target = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = torch.zeros_like(target).requires_grad_()
    losses = {"l2": 1e4 * (picture - target).square().mean(), "pixel": 1e-4 * (picture - target).abs().mean()}
    (found,) = torch.autograd.grad(task.total(losses, picture), picture)
    parts = [torch.autograd.grad(loss, picture, retain_graph=True)[0] for loss in losses.values()]
    wanted = sum(share * g / g.square().mean().sqrt() for share, g in zip((0.25, 0.75), parts, strict=True))
    torch.testing.assert_close(found * picture.numel(), wanted)


@pytest.mark.usefixtures("_ctrl_c")
def test_a_balanced_run_hears_both_losses_and_goes_on_with_its_scales(tmp_path):
    chosen = recipe.parse("own", FLOWSR)

    def trainer(name: str) -> Trainer:
        photos = Photos(EXAMPLES, shortest=chosen.crops.shortest)
        return Trainer(chosen, make_task(chosen), photos, tmp_path / name)

    trainer("whole").run()
    with pytest.raises(KeyboardInterrupt):
        trainer("parts").run(progress=lambda step, values: step == 2 and signal.raise_signal(signal.SIGINT))
    second = trainer("parts")
    second.resume()
    assert second.task.balance.scale_pixel > 0
    second.run()
    whole, parts = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert whole["shares/scale_l2"] > 0
    assert whole["shares/scale_l2"] != whole["shares/scale_pixel"]
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_losses_that_are_not_of_one_picture_are_refused():
    table = FLOWSR | {
        "task": "linf",
        "architecture": {"kind": "linf", "hidden": 16, "flow_layers": 2, "patch": 3, "anchors": [2, 3],
                         "encoder": {"kind": "edsr", "blocks": 1, "features": 16}},
        "crops": {"batch": 2, "crop": 24},
        "loss": {"upsampling": 1.0, "nll": 0.01},
    }  # fmt: skip
    with pytest.raises(RecipeError, match="balanced needs losses of one picture, which nll, upsampling are not"):
        make_task(recipe.parse("own", table))
    with pytest.raises(RecipeError, match="balanced is true or false"):
        recipe.parse("own", FLOWSR | {"balanced": "yes"})
