"""Batches that tensor code makes are those of the CPU: the same places and degradations, other noise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.lesson_files import LessonFiles
from srcli.training.data.lessons import LessonSpec
from srcli.training.data.levels import LevelSpec
from srcli.training.data.on_device import DeviceCrops, Pictures, why_not
from srcli.training.data.photos import CropSpec, Photos, TrainingDataError
from tests.support.places import EXAMPLES

DEGRADED = DegradedSpec(batch=16, crop=64, margin=8, heavy_share=0.3, negative_share=0.25)
CROPS = CropSpec(batch=12, crop=24, whole_share=0.5, windows=2, window=8)


@pytest.fixture(scope="module")
def photos() -> Photos:
    return Photos(EXAMPLES, shortest=DEGRADED.shortest)


def test_squares_are_cut_flipped_and_turned_as_on_the_cpu(photos):
    rng = np.random.default_rng(0)
    places = [photos.place(rng, photos.draw(rng), side) for side in (30, 64, 17, 80) * 4]
    assert {(p.flipped, p.turned) for p in places} >= {((True, False), True), ((False, True), False)}
    made = Pictures(photos.images, torch.device("cpu")).cut(places)
    assert made.shape == (16, 3, 80, 80)
    for square, place in zip(made, places, strict=True):
        inner = square[:, : place.side, : place.side].permute(1, 2, 0).numpy()
        assert np.array_equal(inner, photos.at(place))


def test_degraded_batches_show_the_same_and_differ_by_noise(photos):
    theirs, ours = DEGRADED.draw(photos, 3, 7), DeviceCrops(DEGRADED, photos, "cpu").draw(photos, 3, 7).to("cpu")
    assert torch.equal(ours.quality, theirs.quality)
    assert set(ours.quality.tolist()) == {0.0, 1.0}
    torch.testing.assert_close(ours.scale, theirs.scale)
    good = ours.quality > 0
    assert torch.equal(ours.hr[good], theirs.hr[good])
    errors = {name: (getattr(ours, name) - getattr(theirs, name)).abs().mean((1, 2, 3)) for name in ("hr", "lr")}
    spread = (theirs.lr - theirs.hr).abs().mean((1, 2, 3))
    assert (errors["lr"] < spread).all()
    assert errors["hr"][~good].max() < 0.12
    # Means of noise vanish: blurred pictures are the same.
    coarse = [torch.nn.functional.avg_pool2d(v.lr, 16) for v in (ours, theirs)]
    assert (coarse[0] - coarse[1]).abs().mean() < 0.008


def test_crops_for_any_scale_are_those_of_the_cpu(photos):
    theirs, ours = CROPS.draw(photos, 1, 2), DeviceCrops(CROPS, photos, "cpu").draw(photos, 1, 2).to("cpu")
    assert ours.windows == theirs.windows
    assert (ours.side, ours.scale.tolist()) == (theirs.side, pytest.approx(theirs.scale.tolist()))
    assert all(torch.equal(a, b) for a, b in zip(ours.photos, theirs.photos, strict=True))
    apart = ((ours.lr - theirs.lr) * 255).round()
    assert apart.abs().max() <= 1
    assert (apart != 0).float().mean() < 0.01


def test_light_harm_reaches_the_same_crops(photos):
    spec = replace(CROPS, batch=24, degraded_share=0.6)
    clean = DeviceCrops(CROPS, photos, "cpu")
    plain, harmed = spec.draw(photos, 1, 5), DeviceCrops(spec, photos, "cpu").draw(photos, 1, 5).to("cpu")
    assert not torch.equal(harmed.lr[:12], clean.draw(photos, 1, 5).to("cpu").lr)
    apart = ((plain.lr - harmed.lr) * 255).abs().mean((1, 2, 3))
    assert apart.max() < 9  # two drawings of the strongest noise
    assert 3 < (apart < 0.2).sum() < 24  # clean ones and JPEGs


@pytest.mark.parametrize("spec", [DEGRADED, CROPS], ids=["degraded", "crops"])
def test_a_batch_is_a_function_of_seed_and_step(photos, spec):
    crops = DeviceCrops(spec, photos, "cpu")
    one, same, other, seeded = (crops.draw(photos, *key).to("cpu").lr for key in ((1, 5), (1, 5), (1, 6), (2, 5)))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, seeded)


def test_lessons_are_cut_as_on_the_cpu(tmp_path):
    rng, shards = np.random.default_rng(0), {}
    for number, count in enumerate((3, 5)):
        name = f"{number:05d}.safetensors"
        pictures = {
            k: rng.integers(256, size=(count, 48, 48, 3), dtype=np.uint8) for k in ("truth", "enlarged", "taught")
        }
        save_file(pictures | {"kind": rng.integers(4, size=count, dtype=np.uint8)}, tmp_path / name)
        shards[name] = {"count": count, "sha256": name}
    (tmp_path / "lessons.json").write_text(json.dumps({"side": 48, "shards": shards}))
    lessons, spec = LessonFiles(tmp_path), LessonSpec(batch=12, crop=32, side=48)
    theirs, ours = spec.draw(lessons, 4, 5), DeviceCrops(spec, lessons, "cpu").draw(lessons, 4, 5).to("cpu")
    for name in ("truth", "lr", "taught", "kind"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (DegradedSpec(preset="everyday", crop=64, margin=8), "everyday"),
        (replace(CROPS, graphics_share=0.5), "graphics"),
        (LevelSpec(crop=64, margin=8), "LevelSpec"),
    ],
)
def test_what_has_no_tensor_code_is_refused_with_the_reason(photos, spec, why):
    assert why in why_not(spec, photos)
    with pytest.raises(TrainingDataError, match=why):
        DeviceCrops(spec, photos, "cpu")
