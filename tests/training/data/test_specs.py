"""Batches of recipes with everyday pictures, and that those of other recipes stay as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from srcli.degradation.bicubic import downscale
from srcli.training import recipe
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.levels import LevelSpec
from srcli.training.data.photos import CropSpec, Photos, TrainingDataError, draw_batch, to_tensor
from srcli.training.monitor.validation import Validation
from srcli.training.tasks import make_task
from tests.support.places import EXAMPLES

FLOWSR = {
    "task": "flowsr",
    "architecture": {
        "kind": "velocity", "width": 16, "before": 1, "after": 1, "coarse_width": 16, "coarse": 1, "thin": 8,
    },
    "loss": {"l2": 1.0, "pixel": 1.0},
}  # fmt: skip
LINF = {
    "task": "linf",
    "architecture": {"kind": "linf", "hidden": 16, "flow_layers": 2, "patch": 3, "anchors": [2, 3],
                     "encoder": {"kind": "edsr", "blocks": 1, "features": 16}},
    "loss": {"upsampling": 1.0, "nll": 0.01},
}  # fmt: skip

# Of the batches of version 0.2.0.
CROPS = {
    "windows": [(0, 23, 37), (0, 21, 34), (1, 43, 69), (1, 21, 63), (2, 1, 4), (2, 30, 20)],
    "scale": [2.7917, 2.7917, 4.0, 4.0, 3.0, 3.0],
    "means": [0.2588, 0.3518, 0.4495],
}
DEGRADED = {
    "scale": [4.0, 2.0, 4.0, 1.0],
    "quality": [1.0, 0.0, 1.0, 1.0],
    "hr": [0.2193, 0.3148, 0.4543, 0.4541],
    "lr": [0.2208, 0.3152, 0.4542, 0.4541],
}


def equal(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in ((one.lr, other.lr), (one.scale, other.scale)))


# --- as before ---


def test_crops_of_photos_are_those_of_earlier_versions():
    batch = draw_batch(Photos(EXAMPLES), CropSpec(batch=3, crop=24, whole_share=0.5, windows=2, window=8), 3, 7)
    assert batch.windows == CROPS["windows"]
    assert batch.scale.tolist() == pytest.approx(CROPS["scale"], abs=1e-4)
    assert [lr.mean().item() for lr in batch.lr] == pytest.approx(CROPS["means"], abs=2e-3)


def test_degraded_crops_are_those_of_earlier_versions():
    spec = DegradedSpec(batch=4, crop=48, margin=8, heavy_share=0.3, negative_share=0.3)
    batch = spec.draw(Photos(EXAMPLES), 3, 7)
    assert batch.scale.tolist() == pytest.approx(DEGRADED["scale"], abs=1e-4)
    assert batch.quality.tolist() == DEGRADED["quality"]
    assert [hr.mean().item() for hr in batch.hr] == pytest.approx(DEGRADED["hr"], abs=2e-3)
    assert [lr.mean().item() for lr in batch.lr] == pytest.approx(DEGRADED["lr"], abs=2e-3)


# --- flowsr ---


def test_everyday_crops_reproduce_and_show_graphics_too():
    spec = DegradedSpec(
        preset="everyday", batch=16, crop=40, margin=8, scales=(1, 8), graphics_share=0.5, clean_share=0.2, grid=8
    )
    photos = Photos(EXAMPLES, shortest=spec.shortest)
    one, same, other = (spec.draw(photos, 1, step) for step in (5, 5, 6))
    assert equal(one, same)
    assert torch.equal(one.hr, same.hr)
    assert not torch.equal(one.lr, other.lr)
    assert one.hr.shape == one.lr.shape == (16, 3, 40, 40)
    shown = spec.show(photos, 1, 5)
    assert all(torch.equal(to_tensor(s.sharp), hr) for s, hr in zip(shown, one.hr, strict=True))
    words = [s.words for s in shown]
    assert 3 < sum(": photo, " in text for text in words) < 13
    assert {strength for strength in ("clean", "light", "moderate") for text in words if f", {strength}: " in text} == {
        "clean", "light", "moderate",
    }  # fmt: skip


def test_crops_begin_on_the_grid():
    """Of photos that are columns of their own grey, so that a crop says where it was cut."""
    spec = DegradedSpec(preset="everyday", batch=40, crop=32, margin=12, grid=8, clean_share=1.0, light_share=0)
    photos = Photos(EXAMPLES, shortest=spec.shortest)
    ramp = np.repeat(np.arange(56, dtype=np.uint8)[None, :, None], 56, 0).repeat(3, 2)
    photos.crop = lambda rng, side: ramp  # type: ignore[method-assign]

    def starts(chosen: DegradedSpec) -> set[int]:
        return {round(hr[0, 0, 0].item() * 255) for hr in chosen.draw(photos, 0, 0).hr}

    assert starts(spec) == {0, 8, 16, 24}
    assert len(starts(replace(spec, grid=0))) > 10


def test_an_everyday_recipe_trains_flowsr_and_scores_it():
    crops = {"preset": "everyday", "batch": 3, "crop": 32, "margin": 8, "graphics_share": 0.4, "grid": 8}
    chosen = recipe.parse("own", FLOWSR | {"crops": crops})
    task = make_task(chosen)
    batch = chosen.crops.draw(Photos(EXAMPLES, shortest=chosen.crops.shortest), 0, 0)
    losses = {name: loss for name, loss, _ in task.losses(batch, 0)}
    losses["network"].backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in task.network.parameters())
    everyday, moderate = (
        Validation(EXAMPLES, scales=(4,), preset=preset)(task, task.network) for preset in ("everyday", "moderate")
    )
    assert 10 < everyday["psnr_y_x4"] < 40
    assert everyday != moderate


# --- linf ---


def test_graphics_and_light_harm_reach_linf_with_a_sharp_target():
    spec = CropSpec(batch=24, crop=24, windows=2, window=8, graphics_share=0.5, degraded_share=0.5)
    photos = Photos(EXAMPLES)
    one, same, other = (draw_batch(photos, spec, 1, step) for step in (5, 5, 6))
    assert equal(one, same)
    assert one.windows == same.windows
    assert not torch.equal(one.lr, other.lr)
    assert one.lr.shape == (24, 3, 24, 24)
    assert one.cut(one.photos).shape == (48, 3, 24, 24)
    shown = spec.show(photos, 1, 5)
    assert 5 < sum(": photo" in s.words for s in shown) < 19
    harmed = 0
    for item, lr, photo in zip(shown, one.lr, one.photos, strict=True):
        clean = to_tensor(downscale(item.sharp, 24, 24))
        assert torch.equal(to_tensor(item.sharp), photo)
        change = (lr - clean).abs().mean().item() * 255
        assert (change > 0) == ("JPEG" in item.words or "noise" in item.words)
        assert change < 20
        harmed += change > 0
    assert 5 < harmed < 19


def test_a_recipe_with_graphics_trains_linf():
    crops = {"batch": 2, "crop": 24, "windows": 2, "window": 8, "graphics_share": 1.0, "degraded_share": 1.0}
    chosen = recipe.parse("own", LINF | {"crops": crops})
    task = make_task(chosen)
    batch = chosen.crops.draw(Photos(EXAMPLES), 0, 0)
    (_, loss, _) = next(task.losses(batch, 0))
    assert torch.isfinite(loss)


# --- all ---


def test_levels_can_be_shown():
    spec = LevelSpec(batch=2, crop=48, margin=8)
    shown, batch = spec.show(Photos(EXAMPLES), 0, 0), spec.draw(Photos(EXAMPLES), 0, 0)
    assert [s.sharp.shape for s in shown] == [(48, 48, 3)] * 2
    assert torch.equal(to_tensor(shown[1].given), batch.images[-1, 1])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (DegradedSpec, {"preset": "odd"}),
        (DegradedSpec, {"graphics_share": 0.2}),
        (DegradedSpec, {"clean_share": 0.2}),
        (DegradedSpec, {"preset": "everyday", "graphics_share": 0.2, "degradation": "levels", "camera_scales": "2,4"}),
        (DegradedSpec, {"preset": "everyday", "light_share": 0.6, "heavy_share": 0.6}),
        (CropSpec, {"graphics_share": 1.2}),
        (CropSpec, {"degraded_share": 0.5, "degradation": "levels", "camera_scales": "2,4"}),
    ],
)
def test_what_would_have_no_effect_is_refused(kind, wrong):
    with pytest.raises(TrainingDataError):
        kind(**wrong)
