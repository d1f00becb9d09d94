"""No step waits for its device. Tensors on the device "meta" have no values: whoever asks for one fails."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from srcli import runtime
from srcli.training import recipe
from srcli.training.data.on_device import DeviceCrops
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.optimizer import Diverged
from srcli.training.tasks import make_task
from tests.support.places import EXAMPLES

FLOWSR = {
    "task": "flowsr",
    "architecture": {
        "kind": "velocity", "width": 16, "before": 1, "after": 1, "coarse_width": 16, "coarse": 1, "thin": 8,
    },
    "crops": {"batch": 6, "crop": 32, "margin": 8, "heavy_share": 0.5, "negative_share": 0.3},
    "optim": {"name": "muon", "warmup": 1, "steps": 4},
    "loss": {"l2": 1.0, "pixel": 1.0, "flat": 1.0, "periodic": 1.0, "adversary": 0.1},
    "options": {"flat": 8.0},
}  # fmt: skip
LINF = {
    "task": "linf",
    "architecture": {"kind": "linf", "hidden": 16, "flow_layers": 2, "patch": 3, "anchors": [2, 3],
                     "encoder": {"kind": "edsr", "blocks": 1, "features": 16}},
    "crops": {"batch": 3, "crop": 24, "windows": 2, "window": 8, "degraded_share": 0.5},
    "optim": {"name": "muon", "warmup": 1, "steps": 4},
    "loss": {"upsampling": 1.0, "nll": 0.01, "pixel": 1.0, "periodic": 1.0},
}  # fmt: skip


class Copies(TorchDispatchMode):
    """Counts tensors that go to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        made = function(*arguments, **(named or {}))
        if "_to_copy" in str(function) and made.is_meta and not arguments[0].is_meta:
            self.count += 1
        return made


@pytest.fixture
def _valueless(monkeypatch):
    """What "meta" lacks: autocast and generators."""

    class NoGenerator:
        def __init__(self, device: torch.device) -> None:
            assert device.type == "meta"

        def manual_seed(self, seed: int) -> None:
            return None

    monkeypatch.setattr(torch, "Generator", NoGenerator)
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: contextlib.nullcontext())
    monkeypatch.setattr(runtime, "mixed", lambda device: contextlib.nullcontext())


def run_of(table: dict, out: Path) -> Trainer:
    chosen = recipe.parse("own", table)
    photos = Photos(EXAMPLES, shortest=chosen.crops.shortest)
    trainer = Trainer(chosen, make_task(chosen), photos, out, "meta", on_device=True)
    trainer._averaged, trainer._learned = trainer._floats(trainer.ema), trainer._floats(trainer.task.network)
    return trainer


@pytest.mark.usefixtures("_valueless")
@pytest.mark.parametrize("table", [FLOWSR, FLOWSR | {"balanced": True}, LINF], ids=["flowsr", "balanced", "linf"])
def test_batches_and_steps_read_nothing_from_the_device(tmp_path, table):
    trainer = run_of(table, tmp_path)
    crops = DeviceCrops(trainer.recipe.crops, trainer.photos, "meta")
    for step in range(3):
        trainer._train_step(crops.draw(trainer.photos, 0, step))
        trainer.step += 1
    with pytest.raises((RuntimeError, NotImplementedError, Diverged)):
        trainer.readings.read()


@pytest.mark.usefixtures("_valueless")
def test_few_tensors_go_to_the_device_whatever_the_size_of_a_batch(tmp_path):
    counts = []
    for batch in (16, 64):
        table = FLOWSR | {"crops": FLOWSR["crops"] | {"batch": batch}}
        trainer = run_of(table, tmp_path)
        crops = DeviceCrops(trainer.recipe.crops, trainer.photos, "meta")
        crops.draw(trainer.photos, 0, 0).to("meta")  # constants go once
        with Copies() as copies:
            crops.draw(trainer.photos, 0, 1).to("meta")
        counts.append(copies.count)
    assert counts[1] < 1.3 * counts[0]
    assert counts[1] < 200
