"""Super-resolution learns from a camera's levels: at a few scales, or at all of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from srcli.degradation import synthetic
from srcli.degradation.bicubic import downscale
from srcli.degradation.levels import draw_camera
from srcli.geometry import Size
from srcli.training import recipe
from srcli.training.data.cameras import Cameras
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.photos import CropSpec, Photos, to_tensor
from srcli.training.loop import read_metadata
from srcli.training.monitor.validation import Validation
from tests.methods.degflow.steps import FLOWSR, LINF, run
from tests.support.places import EXAMPLES


def scales_of(text: str, count: int = 200) -> list[float]:
    cameras, rng = Cameras(Photos(EXAMPLES), text), np.random.default_rng(0)
    return [cameras.pair(rng, lambda _: 8)[2] for _ in range(count)]


def test_scales_are_those_asked_for():
    assert set(scales_of("2,4")) == {2.0, 4.0}
    drawn = scales_of("1.5-4")
    assert all(1.5 <= s <= 4 for s in drawn)
    assert np.histogram(drawn, 5, (1.5, 4))[0].min() > 20  # evenly


def test_both_squares_are_of_one_place_and_degraded_beyond_their_borders(monkeypatch):
    seen: list[int] = []

    class Red:
        def __call__(self, image: np.ndarray, scale: float) -> np.ndarray:
            seen.append(len(image))
            lower = image.copy()
            lower[..., 0] = round(scale * 10)
            return lower

    monkeypatch.setattr("srcli.training.data.cameras.draw_camera", lambda rng: Red())
    cameras, rng = Cameras(Photos(EXAMPLES), "2,4"), np.random.default_rng(0)
    for _ in range(10):
        sharp, lower, scale = cameras.pair(rng, lambda s: round(20 * s))
        assert sharp.shape == lower.shape == (20 * scale, 20 * scale, 3)
        assert np.array_equal(sharp[..., 1:], lower[..., 1:])
        assert (lower[..., 0] == 10 * scale).all()
        assert seen[-1] == 20 * scale + 32


def test_a_square_larger_than_the_photo_is_of_a_lower_scale():
    photos = Photos(EXAMPLES)
    shortest = min(min(image.shape[:2]) for image in photos.images)
    cameras, rng = Cameras(photos, "2,4"), np.random.default_rng(0)
    sides = {cameras.pair(rng, lambda s: round(shortest * s / 3))[2] for _ in range(30)}
    assert sides == {2.0}


SPECS = (
    CropSpec(batch=3, crop=16, windows=0, degradation="levels", camera_scales="2,4"),
    DegradedSpec(batch=3, crop=48, margin=8, degradation="levels", camera_scales="2,4"),
)


@pytest.mark.parametrize("spec", SPECS, ids=["linf", "flowsr"])
def test_a_batch_is_a_function_of_seed_and_step(spec):
    cameras = Cameras(Photos(EXAMPLES), "2,4")
    one, same, other = (spec.draw(cameras, 0, step) for step in (0, 0, 1))
    assert torch.equal(one.lr, same.lr)
    assert not torch.equal(one.lr, other.lr)


def test_low_resolution_crops_are_the_cameras():
    """They have less detail than their photos made smaller alone, which is what crops of no camera are."""
    photos, spec = Photos(EXAMPLES), CropSpec(batch=8, crop=32, scales=(3.0, 3.0), windows=0)

    def both(source: Photos | Cameras) -> tuple[torch.Tensor, torch.Tensor]:
        batch = spec.draw(source, 0, 0)
        sharp = [(photo.permute(1, 2, 0) * 255).round().byte().numpy() for photo in batch.photos]
        return batch.lr, torch.stack([to_tensor(downscale(image, 32, 32)) for image in sharp])

    assert torch.equal(*both(photos))
    seen, alone = (crops.diff(dim=-1).abs().mean() for crops in both(Cameras(photos, "3")))
    assert seen < 0.97 * alone


@pytest.mark.parametrize("degradation", ["levels", "degflow"])
def test_what_learns_from_a_camera_is_judged_by_one(tmp_path, degradation):
    (tmp_path / "r.toml").write_text(FLOWSR)
    chosen = recipe.degraded_by(recipe.load(str(tmp_path / "r.toml")), degradation)
    photo = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))[:96, :96]
    low = Validation.of(chosen, EXAMPLES)._low("cat.png", photo, 4, Size(24, 24))
    camera = draw_camera(np.random.default_rng(synthetic.seed_of("cat.png", 1)))
    assert np.array_equal(low, downscale(camera(photo, 4), 24, 24))
    plain = Validation.of(recipe.load(str(tmp_path / "r.toml")), EXAMPLES)
    assert not np.array_equal(low, plain._low("cat.png", photo, 4, Size(24, 24)))


@pytest.mark.parametrize(("stage", "text"), [("flowsr-base", FLOWSR), ("linf-base", LINF)])
def test_a_run_on_levels_goes_on_as_it_began(tmp_path, stage, text):
    (tmp_path / "r.toml").write_text(text)
    common = ["--data", EXAMPLES, "--out", tmp_path / "run", "--threads", 1]
    run("train", stage, "--recipe", tmp_path / "r.toml", "--degradation", "levels", "--levels", "1.1-4", *common)
    crops = json.loads((tmp_path / "run" / "run.json").read_text())["crops"]
    assert (crops["degradation"], crops["camera_scales"]) == ("levels", "1.1-4")
    assert "from step 2" in run("train", stage, "--resume", "--steps", 3, *common)
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    assert read_metadata(checkpoint)["photos"].endswith("levels 1.1-4")
