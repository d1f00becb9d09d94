"""Lessons of a teacher: what they show, and that they can be made in parts."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.methods.realesrgan.network import Compact
from srcli.training.data.lesson_files import PICTURES, LessonFiles, make_lessons
from srcli.training.data.lessons import (
    CLEAN,
    GRAPHIC,
    GRID,
    PHOTO,
    PICTURE,
    LessonSpec,
    TaughtPhotos,
    hardly_degraded,
    with_low_of,
)
from srcli.training.data.photos import Photos, TrainingDataError
from srcli.training.data.teacher import find_teacher
from tests.support.places import EXAMPLES

ARCHITECTURE = {"kind": "compact", "width": 8, "convs": 2, "scale": 4}


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    """A small network of Real-ESRGAN's with random weights, whose pictures are the enlarged ones and a little more."""
    torch.manual_seed(0)
    network = Compact(width=8, convs=2, scale=4)
    network.body[-1].weight.data.mul_(0.1)
    path = tmp_path_factory.mktemp("teacher") / "tiny.safetensors"
    about = {"architecture": json.dumps(ARCHITECTURE), "pipeline": "realesrgan", "role": "generator"}
    save_file(network.state_dict(), path, about)
    return path


@pytest.fixture(scope="module")
def source(teacher_file):
    return TaughtPhotos(Photos(EXAMPLES), find_teacher(str(teacher_file)), side=64, margin=24)


def test_a_lesson_is_a_function_of_the_random_state(source):
    one, two = (source.lesson(np.random.default_rng(5)) for _ in range(2))
    other = source.lesson(np.random.default_rng(6))
    for name in PICTURES:
        assert getattr(one, name).shape == (64, 64, 3)
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(one.truth, other.truth)


def test_every_kind_of_lesson_has_the_target_that_it_says(source):
    seen = {}
    for seed in range(60):
        lesson = source.lesson(np.random.default_rng(seed))
        seen.setdefault(lesson.kind, lesson)
    assert {PHOTO, PICTURE, GRAPHIC} <= set(seen)
    assert np.array_equal(seen[GRAPHIC].truth, seen[GRAPHIC].taught)
    assert np.array_equal(seen[PICTURE].truth, seen[PICTURE].taught)
    photo = seen[PHOTO]
    assert not np.array_equal(photo.truth, photo.taught)
    difference = photo.taught.astype(np.float32) - photo.truth
    inner = cv2.GaussianBlur(difference, (0, 0), 8.0)[24:40, 24:40]
    assert np.abs(inner).mean() < 0.5 * np.abs(difference).mean(), "colours are the photo's"


def test_low_frequencies_are_those_of_the_other_picture():
    rng = np.random.default_rng(0)
    detail = rng.integers(100, 156, (96, 96, 3), np.uint8)
    other = np.full_like(detail, 200)
    made = with_low_of(detail, other, 8.0)
    assert abs(made.mean() - 200) < 1
    assert np.corrcoef(made.ravel(), detail.ravel())[0, 1] > 0.95


def test_noise_tells_a_degraded_photo_from_one_that_was_only_made_smaller():
    ramp = np.linspace(60, 180, 128, dtype=np.float32)
    photo = np.broadcast_to(ramp[:, None, None], (128, 128, 3)).round().astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 8, photo.shape)
    assert hardly_degraded(photo, photo)
    assert not hardly_degraded(np.clip(photo + noise, 0, 255).astype(np.uint8), photo)
    busy = np.random.default_rng(1).integers(0, 256, photo.shape, np.uint8)
    assert not hardly_degraded(busy, busy), "without a flat place nothing can be told"


def test_windows_begin_on_the_grid_and_are_turned_alike(source):
    spec = LessonSpec(batch=6, crop=48, side=64)
    batch, again = spec.draw(source, 3, 7), spec.draw(source, 3, 7)
    assert batch.lr.shape == (6, 3, 48, 48)
    assert torch.equal(batch.taught, again.taught)
    whole = source.lesson(np.random.default_rng((3, 7)))
    first = (batch.truth[0] * 255).round().byte().permute(1, 2, 0).numpy()
    options = [
        np.array_equal(turned[::a, ::b], first)
        for y in range(0, 17, GRID)
        for x in range(0, 17, GRID)
        for piece in [whole.truth[y : y + 48, x : x + 48]]
        for turned in (piece, piece.swapaxes(0, 1))
        for a in (1, -1)
        for b in (1, -1)
    ]
    assert any(options)
    known = batch.kind == GRAPHIC
    assert torch.equal(batch.truth[known], batch.taught[known])


@pytest.mark.parametrize("crop", [50, 72])
def test_crops_that_do_not_fit_are_refused(crop):
    with pytest.raises(TrainingDataError, match="multiples of 8"):
        LessonSpec(crop=crop, side=64)


def test_files_hold_what_was_made_and_are_gone_on_with(source, tmp_path):
    folder = tmp_path / "lessons"
    assert make_lessons(source, folder, 3) == 3
    found = LessonFiles(folder, 48)
    assert len(found) == 3
    rng = np.random.default_rng((0, 0))
    made = [source.lesson(rng) for _ in range(3)]
    drawn = [found.lesson(np.random.default_rng(seed)) for seed in range(20)]
    for lesson in drawn:
        assert any(
            all(np.array_equal(getattr(lesson, name), getattr(m, name)) for name in PICTURES) and lesson.kind == m.kind
            for m in made
        )
    assert len({lesson.truth.tobytes() for lesson in drawn}) == 3
    before = found.fingerprint()
    assert make_lessons(source, folder, 3) == 0
    assert LessonFiles(folder).fingerprint() == before
    assert make_lessons(source, folder, 5) == 5, "an unfinished shard is made anew, its beginning the same"
    assert len(LessonFiles(folder)) == 5


def test_lessons_of_another_teacher_are_not_mixed(source, tmp_path):
    make_lessons(source, tmp_path, 1)
    with pytest.raises(TrainingDataError, match="lessons of another seed"):
        make_lessons(source, tmp_path, 2, seed=1)


def test_what_is_no_folder_of_lessons_says_how_to_make_one(tmp_path):
    with pytest.raises(TrainingDataError, match="srcli train pairs makes them"):
        LessonFiles(tmp_path)
    (tmp_path / "lessons.json").write_text("[1]")
    with pytest.raises(TrainingDataError, match="cannot be read"):
        LessonFiles(tmp_path)


def test_a_missing_shard_is_named(source, tmp_path):
    make_lessons(source, tmp_path, 1)
    (tmp_path / "00000.safetensors").unlink()
    with pytest.raises(TrainingDataError, match=r"00000\.safetensors is missing"):
        LessonFiles(tmp_path)


def test_pairs_from_the_command_line(teacher_file, tmp_path):
    arguments = ["train", "pairs", "--teacher", teacher_file, "--data", EXAMPLES, "--out", tmp_path, "--side", 64]
    result = CliRunner().invoke(app, [str(a) for a in [*arguments, "--count", 4]])
    assert result.exit_code == 0, result.output
    assert "4 lessons made by tiny.safetensors" in result.output
    assert LessonFiles(tmp_path).about["teacher_sha256"] == find_teacher(str(teacher_file)).digest


def test_a_model_by_name_can_teach():
    teacher = find_teacher("linf-s")
    made = teacher(np.full((12, 12, 3), 90, np.uint8), 36)
    assert made.shape == (36, 36, 3)
    assert abs(int(made.mean()) - 90) < 8
    assert CLEAN not in (PHOTO, PICTURE, GRAPHIC)
