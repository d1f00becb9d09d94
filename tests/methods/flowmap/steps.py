"""A small flow map for the tests of its training, and its recipe."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.registry import build
from srcli.training import recipe
from tests.methods.flowsr.steps import woken

SMALL = {
    "kind": "velocity", "width": 16, "before": 1, "after": 1, "coarse_width": 24, "coarse": 1, "thin": 4, "times": 16,
    "quality": True,
}  # fmt: skip
ARCHITECTURE = (
    'kind = "velocity", width = 16, before = 1, after = 1, coarse_width = 24, coarse = 1, thin = 4, times = 16'
)
TINY = f"""
task = "flowmap"
architecture = {{ {ARCHITECTURE}, quality = true }}
[crops]
preset = "heavy"
batch = 4
crop = 48
margin = 8
light_share = 0.0
whole_share = 1.0
whole_scales = [1]
negative_share = 0.25
[optim]
lr = 2e-3
warmup = 2
steps = STEPS
[loss]
flow = 1.0
"""
MAP = """map = 1.0
periodic = 0.1
weave = 0.1
perceptual = 0.01
[options]
map_share = 0.5
ramp = 2
formulation = "FORM"
"""
GUIDED = MAP + "guidance = 2.0\n"
RUNNER = CliRunner()


def small(seed: int = 0, **parameters) -> VelocityNet:
    torch.manual_seed(seed)
    return woken(build(SMALL | parameters), seed)  # type: ignore[return-value]


def weights_of(network: nn.Module, architecture: dict, file: Path) -> Path:
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, file, {"architecture": json.dumps(architecture)})
    return file


def chosen(tmp_path: Path, text: str, steps: int = 5) -> recipe.Recipe:
    (tmp_path / "tiny.toml").write_text(text.replace("STEPS", str(steps)))
    return recipe.load(str(tmp_path / "tiny.toml"))
