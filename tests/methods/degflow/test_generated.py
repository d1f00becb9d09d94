"""What DegFlow is for: super-resolution learns from the pictures that it makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from srcli import runtime
from srcli.methods.degflow.generated import MANIFEST, Generated
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.photos import Photos, TrainingDataError
from tests.methods.degflow.steps import EXAMPLES, FLOWSR, LINF, files, run


class Degrading:
    """Stands at the place of a `Degrader` and counts; a picture at scale s is the photo's, 255 - s * 10 in its red."""

    def __init__(self, name: str = "one") -> None:
        self.made: list[float] = []
        self.name = name
        self.digests = {"flow": name}
        self.runtime = runtime.choose("cpu", "fp32")

    def told(self) -> dict:
        return {"model": self.name}

    def degrade(self, picture, scales):
        for scale in scales:
            self.made.append(scale)
            colour = picture.colour.copy()
            colour[..., 0] = 255 - round(scale * 10)
            yield replace(picture, colour=colour)


def generated(folder: Path, degrader: Degrading, **options) -> Generated:
    return Generated(Photos(EXAMPLES), folder, degrader, **options)  # type: ignore[arg-type]


def test_generated_pictures_are_made_once_and_a_run_that_was_cut_off_goes_on(tmp_path):
    first = Degrading()
    made = generated(tmp_path / "c", first)
    count = 4 * len(Photos(EXAMPLES))
    assert len(first.made) == len(set(first.made)) == count
    assert all(1.1 <= s <= 4 for s in first.made)
    assert len({round(4 * (s - 1.1) / 2.9 - 0.5) for s in first.made}) >= 4  # over the whole range
    pictures = sorted((tmp_path / "c").glob("*.png"))
    assert len(pictures) == count
    pictures[1].unlink()
    again = Degrading()
    assert generated(tmp_path / "c", again).fingerprint() == made.fingerprint()
    assert len(again.made) == 1
    assert json.loads((tmp_path / "c" / MANIFEST).read_text())["model"] == "one"
    with pytest.raises(TrainingDataError, match="another generator"):
        generated(tmp_path / "c", Degrading("two"))
    with pytest.raises(TrainingDataError, match="something else"):
        generated(EXAMPLES, Degrading())


def test_generated_crops_show_the_same_place_at_the_versions_scale(tmp_path):
    made = generated(tmp_path / "c", Degrading())
    rng = np.random.default_rng(0)
    for _ in range(20):
        sharp, lower, scale = made.pair(rng, lambda s: round(30 * s))
        assert np.array_equal(sharp[..., 1:], lower[..., 1:])
        assert (lower[..., 0] == 255 - round(scale * 10)).all()
        assert sharp.shape == (round(30 * scale), round(30 * scale), 3)
    spec = DegradedSpec(batch=3, crop=48, margin=8, degradation="degflow")
    batch = spec.draw(made, 0, 0)
    assert batch.hr.shape == batch.lr.shape == (3, 3, 48, 48)
    wanted = (255 - 10 * batch.scale) / 255
    assert torch.allclose(batch.lr[:, 0].mean((1, 2)), wanted, atol=0.02)
    assert torch.equal(batch.lr, spec.draw(made, 0, 0).lr)
    assert not torch.equal(batch.lr, spec.draw(made, 0, 1).lr)


def test_grain_is_drawn_over_the_small_picture_of_the_same_place(tmp_path):
    plain = generated(tmp_path / "c", Degrading())
    grained = generated(tmp_path / "c", Degrading(), grain=6.0)  # the cache serves both
    assert grained.fingerprint() == plain.fingerprint() + " grain 6"
    rng, left = np.random.default_rng(0), []
    for _ in range(20):
        sharp, lower, scale = grained.pair(rng, lambda s: round(30 * s))
        assert sharp.shape == lower.shape == (round(30 * scale), round(30 * scale), 3)
        # Red is flat but for the grain, which is of the small picture: smooth in the large one.
        red = lower[..., 0].astype(float)
        assert abs(red.mean() - (255 - scale * 10)) < 1.5
        left.append(red.std())
        if scale > 2.5:
            assert np.abs(np.diff(red)).mean() < 0.8 * red.std()
        aligned = np.corrcoef(sharp[..., 1].ravel(), lower[..., 1].ravel())[0, 1]
        assert aligned > np.corrcoef(np.roll(sharp[..., 1], 4, 1).ravel(), lower[..., 1].ravel())[0, 1]
    assert 0.5 < np.mean(left) < 6
    assert max(left) > 2 * min(left)


def test_a_folder_without_photos_to_score_is_told_before_anything_is_generated(trained, tmp_path):
    (tmp_path / "r.toml").write_text(FLOWSR)
    common = ["--data", EXAMPLES, "--out", tmp_path / "run", "--threads", 1, *files(trained)]
    out = run("train", "flowsr-base", "--recipe", tmp_path / "r.toml", "--degradation", "degflow", *common,
              "--val", tmp_path / "none", code=2)  # fmt: skip
    assert "validation folder" in out
    assert not (tmp_path / "run" / "generated").exists()


@pytest.mark.parametrize(("stage", "text"), [("flowsr-base", FLOWSR), ("linf-base", LINF)])
def test_super_resolution_learns_from_generated_pictures(trained, tmp_path, stage, text):
    (tmp_path / "r.toml").write_text(text)
    common = ["--data", EXAMPLES, "--out", tmp_path / "run", "--threads", 1, "--versions", 2, *files(trained)]
    out = run("train", stage, "--recipe", tmp_path / "r.toml", "--degradation", "degflow", *common)
    assert "before training" in out
    cache = tmp_path / "run" / "generated"
    assert json.loads((cache / MANIFEST).read_text())["weights"]["autoencoder"].startswith("tensors:")
    assert json.loads((cache / MANIFEST).read_text())["solver"] == {"kind": "rk4", "steps": 8}
    made = {p: p.stat().st_mtime_ns for p in cache.glob("*.png")}
    assert len(made) == 2 * len(Photos(EXAMPLES))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["crops"]["degradation"] == "degflow"
    run("train", stage, "--resume", "--steps", 3, *common)
    assert {p: p.stat().st_mtime_ns for p in cache.glob("*.png")} == made
    (cache / MANIFEST).write_text("{}")
    assert "another generator" in run("train", stage, "--resume", "--steps", 4, *common, code=2)
