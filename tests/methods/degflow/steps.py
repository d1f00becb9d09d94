"""Short trainings of DegFlow for its tests."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.networks.trunks import squeezenet
from srcli.training import recipe
from srcli.training.loop import read_metadata
from tests.methods.degflow.networks import lively
from tests.support.places import EXAMPLES

RUNNER = CliRunner()
CROPS = """
[crops]
levels = [1, 2, 4]
batch = 4
crop = 64
margin = 8
[optim]
name = "adamw"
lr = 2e-3
warmup = 5
steps = STEPS
ema = 0.9
"""
STAGE1 = """
task = "degflow-ae"
[architecture]
kind = "degflow-ae"
base_dim = 8
[loss]
l2 = 1.0
pixel = 0.2
periodic = 1.0
""" + CROPS.replace("STEPS", "25")
STAGE2 = """
task = "degflow"
[architecture]
kind = "ncsnpp"
nf = 8
num_res_blocks = 1
dropout = 0.0
tileable = true
[loss]
flow = 1.0
decoded = 0.1
perceptual = 0.1
""" + CROPS.replace("STEPS", "6")
FLOWSR = """
task = "flowsr"
[architecture]
kind = "velocity"
width = 16
before = 1
after = 1
coarse_width = 16
coarse = 1
[crops]
preset = "moderate"
batch = 2
crop = 48
margin = 8
[optim]
steps = 2
[loss]
l2 = 1.0
"""
LINF = """
task = "linf"
[architecture]
kind = "linf"
hidden = 16
flow_layers = 2
patch = 3
anchors = [2, 4]
encoder = { kind = "edsr", blocks = 1, features = 16 }
[crops]
batch = 2
crop = 16
windows = 1
window = 4
[optim]
steps = 2
[loss]
upsampling = 1.0
"""


def run(*arguments: object, code: int = 0) -> str:
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def train_both(folder: Path) -> Path:
    """ae.safetensors and flow.safetensors of short runs, and the runs."""
    save_file(squeezenet().state_dict(), folder / "trunk.safetensors")
    (folder / "stage1.toml").write_text(STAGE1)
    (folder / "stage2.toml").write_text(STAGE2)
    common = ["--data", EXAMPLES, "--threads", 1, "--val", EXAMPLES]
    run("train", "degflow-ae", "--recipe", folder / "stage1.toml", "--out", folder / "ae", *common)
    run("train", "export", folder / "ae", "-o", folder / "ae.safetensors", "--data", "photos", "--val", EXAMPLES)
    more = ["--autoencoder", folder / "ae.safetensors"]
    run("train", "degflow", "--recipe", folder / "stage2.toml", "--out", folder / "flow", *common, *more,
        "--trunk", folder / "trunk.safetensors")  # fmt: skip
    run("train", "export", folder / "flow", "-o", folder / "flow.safetensors", "--data", "photos", *more)
    return folder


def files(trained: Path) -> list[object]:
    return ["--autoencoder", trained / "ae.safetensors", "--generator", trained / "flow.safetensors"]


def no_mixed():
    from unittest import mock

    return mock.patch("srcli.runtime.mixed", lambda device: torch.autocast(device.type, enabled=False))


def recipe_of(tmp_path: Path, text: str, **changes: object) -> recipe.Recipe:
    """The second stage without the perceptual loss, with other entries."""
    for old, new in changes.items():
        text = text.replace(f"{old} =", f"{old} = {new} #")
    (tmp_path / "r.toml").write_text(text.replace("perceptual = 0.1", ""))
    return recipe.load(str(tmp_path / "r.toml"))


def autoencoder_in(tmp_path: Path, **architecture: int) -> Path:
    named = {"kind": "degflow-ae", "base_dim": 8} | architecture
    save_file(lively(named).state_dict(), tmp_path / "ae.safetensors", {"architecture": json.dumps(named)})
    return tmp_path / "ae.safetensors"


def written(trained: Path, name: str, change: float) -> Path:
    """The autoencoder in another file, with other metadata, and another weight where there is a change."""
    state = load_file(trained / "ae.safetensors")
    state["encoder.conv_out.bias"] += change
    save_file(state, trained / f"{name}.safetensors", read_metadata(trained / "ae.safetensors") | {"x": "y"})
    return trained / f"{name}.safetensors"
