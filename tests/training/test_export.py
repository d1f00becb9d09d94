"""Exported weights: half precision, but for what a network declares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from srcli.methods.registry import build
from srcli.networks.trainable import Trainable
from srcli.training import recipe
from srcli.training.data.photos import Photos
from srcli.training.export import export
from srcli.training.loop import Trainer, read_metadata
from srcli.training.tasks import make_task
from tests.methods.srflow.test_training import NLL
from tests.support.places import EXAMPLES
from tests.training.test_training import TINY_LINF

LINEAR = re.compile(r"\.(linears|last|invconv)\.")  # names of the flows' linear layers


@pytest.mark.parametrize(
    ("text", "count"), [(TINY_LINF.replace("OPTIM", "adamw"), 3), (NLL, 10)], ids=["linf", "srflow"]
)
def test_the_linear_layers_of_flows_keep_float32_and_the_rest_is_half(tmp_path, text, count):
    (tmp_path / "r.toml").write_text(text)
    chosen = recipe.load(str(tmp_path / "r.toml"))
    run = Trainer(chosen, make_task(chosen), Photos(EXAMPLES), tmp_path / "run")
    run.save()
    export(tmp_path / "run", tmp_path / "w.safetensors", data="x")
    state = {k: v.contiguous() for k, v in run.ema.state_dict().items()}
    expected = {k: v if LINEAR.search(k) else v.half() for k, v in state.items()}
    assert sum(LINEAR.search(k) is not None for k in state) >= count
    save_file(expected, tmp_path / "expected.safetensors", read_metadata(tmp_path / "w.safetensors"))
    made, wanted = (load_file(tmp_path / f"{name}.safetensors") for name in ("w", "expected"))
    assert {k: v.dtype for k, v in made.items()} == {k: v.dtype for k, v in wanted.items()}
    assert all(torch.equal(made[k], wanted[k]) for k in wanted)
    assert payload(tmp_path / "w.safetensors") == payload(tmp_path / "expected.safetensors")


def payload(file: Path) -> bytes:
    """Tensors as they lie in the file. Before them is a header, whose metadata are in no order."""
    content = file.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


@pytest.mark.parametrize("name", recipe.available())
def test_what_stays_float32_are_linear_layers_of_flows_alone(name):
    with torch.device("meta"):
        network = build(recipe.load(name).architecture)
    assert isinstance(network, Trainable)
    assert network.float32_parameters() == {k for k in network.state_dict() if LINEAR.search(k)}
