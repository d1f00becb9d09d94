"""The levels that DegFlow learns from, drawn by a camera or photographed: aligned, repeatable, of one place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcli.degradation.bicubic import downscale
from srcli.degradation.levels import Camera, draw_camera
from srcli.training.data.levels import LevelBatch, LevelSpec
from srcli.training.data.pairs import Pairs
from srcli.training.data.photos import Photos, TrainingDataError
from srcli.training.monitor.validation import LevelValidation
from tests.methods.degflow.steps import STAGE1, run
from tests.support.places import EXAMPLES

CAT = np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB"))[:144, :144]


def test_levels_get_softer_and_stay_in_their_place():
    rng, scales = np.random.default_rng(0), (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    for _ in range(5):
        camera = draw_camera(rng)
        made = {s: camera(CAT, s).astype(float) for s in scales}
        assert np.array_equal(made[1.0], CAT)
        sharpness = [np.abs(np.diff(made[s].mean(2), axis=1)).mean() for s in scales]
        assert sharpness == sorted(sharpness, reverse=True)

        def error(moved: tuple[int, int], low: np.ndarray = made[4.0]) -> float:
            return np.square(np.roll(CAT.astype(float), moved, (0, 1)) - low)[8:-8, 8:-8].mean()

        around = {(y, x): error((y, x)) for y in (-1, 0, 1) for x in (-1, 0, 1)}
        assert min(around, key=around.__getitem__) == (0, 0)


def test_cameras_repeat_and_refuse_what_is_no_level():
    camera = Camera(sigma=(1.5, 0.7), angle=0.4, noise=2.0, quality=80, seed=3)
    assert np.array_equal(camera(CAT, 3.3), camera(CAT, 3.3))
    assert not np.array_equal(camera(CAT, 3.3), replace(camera, seed=4)(CAT, 3.3))
    with pytest.raises(ValueError, match="1 to 4"):
        camera(CAT, 4.5)


def test_a_batch_of_levels_is_a_function_of_seed_and_step():
    photos, spec = Photos(EXAMPLES), LevelSpec(batch=2, crop=64, margin=8)
    one, same, other = (spec.draw(photos, 1, step).images for step in (3, 3, 4))
    assert one.shape == (3, 2, 3, 64, 64)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    errors = (one[1:] - one[0]).square().mean((1, 2, 3, 4))
    assert errors[0] < errors[1]
    with pytest.raises(TrainingDataError, match="begin with 1"):
        LevelSpec(levels=(2, 4))


def scenes(folder: Path, *, levels: tuple[int, ...] = (2, 3, 4), part: str = "Train") -> Path:
    """Two scenes as RealSR lays them out: level S of scene N is the cat, its red 10 S + N."""
    for number in (1, 2):
        for scale in levels:
            place = folder / "Canon" / part / str(scale)
            place.mkdir(parents=True, exist_ok=True)
            for name, red in (("HR", 10 + number), (f"LR{scale}", 10 * scale + number)):
                image = CAT.copy()
                image[..., 0] = red
                Image.fromarray(image).save(place / f"Canon_{number:03}_{name}.png")
    return folder


def test_pairs_show_one_place_of_one_scene_at_every_level(tmp_path):
    pairs = Pairs(scenes(tmp_path), (1, 2, 4), 64)
    assert len(pairs) == 2
    spec = LevelSpec(batch=6, crop=64)
    images = (spec.draw(pairs, 0, 0).images * 255).round()
    reds = images[:, :, 0, 0, 0]
    assert set(reds[0].tolist()) == {11, 12}
    assert torch.equal(reds[1], reds[0] + 10)
    assert torch.equal(reds[2], reds[0] + 30)
    assert torch.equal(images[0, :, 1:], images[2, :, 1:])


def test_half_of_the_crops_are_made_smaller_with_their_levels(tmp_path):
    spec = LevelSpec(batch=40, crop=32, margin=8, shrink=1.6)
    for photos in (Photos(EXAMPLES), Pairs(scenes(tmp_path), (1, 2, 4), spec.shortest)):
        batch = spec.draw(photos, 0, 0)
        assert batch.images.shape == (3, 40, 3, 32, 32)
        one, lower, lowest = batch.scales
        assert torch.all(one == 1)
        assert torch.allclose(2 * lower, lowest)
        assert 10 < int((lowest == 4).sum()) < 30
        assert lowest.min() >= 2.5
        assert len(lowest.unique()) > 3
    for shrink in (0.5, 2):
        with pytest.raises(TrainingDataError, match="from 1 to below the lowest level"):
            LevelSpec(shrink=shrink)


def test_a_smaller_photo_shows_the_level_in_between():
    """What a camera shows of it at 4 / 1.5 is nearer than what it shows at the levels beside that."""
    camera, side = Camera(noise=0.5), 96
    small, shown = (downscale(image, side, side) for image in (CAT, camera(CAT, 4)))
    errors = {s: np.square(camera(small, s).astype(float) - shown).mean() for s in (2.0, 4 / 1.5, 3.5)}
    assert min(errors, key=errors.__getitem__) == 4 / 1.5


def test_real_levels_are_judged_by_the_test_part(tmp_path):
    scenes(scenes(tmp_path), part="Test")
    (case, _) = LevelValidation(tmp_path).cases
    assert case[1].shape == (1, 3, 128, 128)  # of 144 pixels a side
    reds = [(case[s][0, 0] * 255).round().unique().tolist() for s in (1, 2, 3, 4)]
    assert reds == [[11], [21], [31], [41]]
    for path in tmp_path.glob("Canon/Test/3/*"):
        path.unlink()
    with pytest.raises(TrainingDataError, match="CAMERA/Test"):
        LevelValidation(tmp_path)


def test_a_run_on_pairs_is_scored_on_their_test_part(tmp_path):
    scenes(scenes(tmp_path / "real"), part="Test")
    (tmp_path / "r.toml").write_text(STAGE1.replace("steps = 25", "steps = 2"))
    real = ["--pairs", tmp_path / "real", "--val", tmp_path / "real"]
    run("train", "degflow-ae", "--recipe", tmp_path / "r.toml", *real, "--out", tmp_path / "run")
    rows = (tmp_path / "run" / "validation.csv").read_text().splitlines()
    assert rows[0] == "step,psnr_x2,own_x2,psnr_x3,own_x3,psnr_x4,own_x4"
    assert rows[1].startswith("2,")


def test_folders_without_pairs_say_what_is_missing(tmp_path):
    scenes(tmp_path, levels=(2, 3))
    for folder, says in ((tmp_path, "4/*_LR4.png"), (tmp_path / "none", "does not exist")):
        out = run("train", "degflow-ae", "--pairs", folder, "--out", tmp_path / "run", code=2)
        assert says in out


def test_a_level_batch_follows_its_device():
    batch = LevelBatch(torch.zeros(3, 1, 3, 8, 8), torch.ones(3, 1)).to("meta")
    assert {batch.images.device.type, batch.scales.device.type} == {"meta"}
