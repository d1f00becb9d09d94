"""`--batches device`: whole runs whose batches are tensor code, here on a CPU."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from srcli.training.data.on_device import DeviceCrops
from tests.support.command import srcli, train
from tests.support.places import EXAMPLES

FLOWSR = """
task = "flowsr"
[architecture]
kind = "velocity"
width = 16
before = 1
after = 1
coarse_width = 16
coarse = 1
thin = 8
[crops]
batch = 2
crop = 32
margin = 8
PRESET
[optim]
name = "muon"
warmup = 1
steps = 4
[loss]
l2 = 1.0
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(FLOWSR.replace("PRESET", 'preset = "moderate"'))
    return path


def weights(run):
    return load_file(run / "checkpoint.safetensors")


def test_a_run_on_the_device_resumes_to_the_step(tmp_path, recipe, monkeypatch):
    drawn = []
    draw = DeviceCrops.draw
    monkeypatch.setattr(DeviceCrops, "draw", lambda self, *key: drawn.append(key[1:]) or draw(self, *key))
    common = ["--recipe", recipe, "--data", EXAMPLES, "--threads", 1, "--batches", "device"]
    train("flowsr", *common, "--out", tmp_path / "whole")
    assert (0, 3) in drawn
    train("flowsr", *common, "--out", tmp_path / "parts", "--max-minutes", 0)
    train("flowsr", *common[2:], "--out", tmp_path / "parts", "--resume")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_batches_are_made_on_the_cpu_unless_asked(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr(DeviceCrops, "__init__", None)  # whoever calls it fails
    train("flowsr", "--recipe", recipe, "--data", EXAMPLES, "--threads", 1, "--out", tmp_path / "run", "-g", "cpu")


@pytest.mark.parametrize(
    ("preset", "batches", "said"),
    [
        ('preset = "everyday"', "device", "--batches device is not possible: everyday degradations"),
        ('preset = "moderate"', "gpu", "--batches is auto, cpu or device, not 'gpu'"),
    ],
)
def test_batches_that_cannot_be_are_refused_in_a_sentence(tmp_path, recipe, preset, batches, said):
    recipe.write_text(FLOWSR.replace("PRESET", preset))
    result = srcli(
        "train", "flowsr", "--recipe", recipe, "--data", EXAMPLES, "--out", tmp_path / "run", "--batches", batches
    )
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
