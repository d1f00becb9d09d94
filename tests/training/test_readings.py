"""Numbers that are read late are the same, and what is not finite is told with its step."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from srcli.training import recipe
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.optimizer import Diverged
from srcli.training.readings import Readings
from srcli.training.tasks import make_task
from tests.support.places import EXAMPLES
from tests.training.test_training import TINY_LINF


@pytest.mark.parametrize("late", [True, False])
def test_values_come_back_step_by_step(late):
    readings = Readings(late)
    for n in range(3):
        readings.check("the loss", torch.tensor(1.0 + n), n)
        readings.add({"pixel": torch.tensor(0.5 * n), "adversary": 0.25})
    assert readings.read() == [{"pixel": 0.5 * n, "adversary": 0.25} for n in range(3)]
    assert readings.read() == []


def test_the_first_number_that_is_not_finite_is_told_late():
    readings = Readings(late=True)
    for n, number in enumerate((1.0, float("nan"), float("inf"))):
        readings.check("the loss of network", torch.tensor(number), n)
        readings.add({"pixel": torch.tensor(number)})
    with pytest.raises(Diverged, match="the loss of network is nan at step 1;"):
        readings.read()


def test_a_number_that_is_not_finite_is_told_at_once_on_a_cpu():
    with pytest.raises(Diverged, match="the loss is inf at step 4"):
        Readings(late=False).check("the loss", torch.tensor(float("inf")), 4)


def run_of(tmp_path, name: str, late: bool) -> Trainer:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_LINF.replace("OPTIM", "muon"))
    chosen = recipe.load(str(path), steps=6)
    trainer = Trainer(chosen, make_task(chosen), Photos(EXAMPLES), tmp_path / name)
    trainer.readings = Readings(late)
    return trainer


def test_a_run_that_reads_late_is_the_same(tmp_path):
    told = {}
    for name, late in (("early", False), ("late", True)):
        told[name] = []
        run_of(tmp_path, name, late).run(progress=lambda step, values, name=name: told[name].append(bool(values)))
    assert told == {"early": [True] * 6, "late": [False] * 5 + [True]}
    early, late = (load_file(tmp_path / name / "checkpoint.safetensors") for name in told)
    assert all(torch.equal(early[k], late[k]) for k in early)
    rows = [(tmp_path / name / "log.csv").read_text().splitlines()[1].split(",") for name in told]
    assert rows[0][2:] == rows[1][2:]


def test_a_run_that_diverged_is_not_saved_when_it_is_told_late(tmp_path, monkeypatch):
    trainer = run_of(tmp_path, "run", late=True)
    losses = trainer.task.losses

    def broken(batch, step):
        for name, loss, values in losses(batch, step):
            yield name, loss * (float("nan") if step == 3 else 1), values

    monkeypatch.setattr(trainer.task, "losses", broken)
    with pytest.raises(Diverged, match="the loss of network is nan at step 3"):
        trainer.run()
    assert not trainer.exists()
