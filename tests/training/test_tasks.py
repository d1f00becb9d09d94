"""What all training tasks have in common."""

from __future__ import annotations

import inspect

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from srcli.methods.degflow.autoencoder_training import DegflowAETask
from srcli.methods.degflow.training import DegflowTask
from srcli.methods.flowmap.lora_training import FlowmapLoraTask
from srcli.methods.flowmap.training import FlowmapTask
from srcli.methods.flowsr.restorer import RestorerTask
from srcli.methods.flowsr.training import FlowsrTask
from srcli.methods.linf.prior_training import PriorTask
from srcli.methods.linf.training import LinfTask
from srcli.methods.srflow.prior_training import SRFlowPriorTask
from srcli.methods.srflow.training import SRFlowTask
from srcli.networks.trunks import squeezenet
from srcli.training import recipe
from srcli.training.recipe import RecipeError
from srcli.training.task import LevelTask, PictureTask, move_average, weighted_total
from srcli.training.tasks import make_task
from srcli.weights.store import EMBEDDED
from tests.support.places import CHECKPOINTS

TASKS = (
    LinfTask, PriorTask, SRFlowTask, SRFlowPriorTask, FlowsrTask, RestorerTask, FlowmapTask, FlowmapLoraTask,
    DegflowAETask, DegflowTask,
)  # fmt: skip
FLOWS = {
    "prior": "linf-s",
    "srflow-prior": "srflow-s",
    "flowsr": str(CHECKPOINTS / "flowsr-base.safetensors"),
    "flowmap-lora": "flowmap-s",
}
NO_TRUNK = r"the perceptual loss needs SqueezeNet 1.1 weights: --trunk FILE\.safetensors"


@pytest.mark.parametrize("task", TASKS)
def test_tasks_are_made_alike_and_make_pictures_or_levels(task):
    assert list(inspect.signature(task).parameters) == ["recipe", "network", "frozen"]
    assert issubclass(task, PictureTask) != issubclass(task, LevelTask)
    assert not inspect.isabstract(task)


@pytest.mark.parametrize("name", [*FLOWS, "flowmap-base", "degflow", "degflow-decoder"])
def test_frozen_networks_follow_the_batch(tmp_path, name):
    """All that a task holds beside the networks that are saved with the run."""
    trunk = tmp_path / "trunk.safetensors"
    save_file(squeezenet().state_dict(), trunk)
    autoencoder = EMBEDDED / "degflow-s-autoencoder.safetensors" if name == "degflow" else None
    flow = FLOWS.get(name, "degflow-s" if name == "degflow-decoder" else None)
    task = make_task(recipe.load(name), flow, trunk, autoencoder)
    task.follow(torch.device("meta"))
    objective = getattr(task, "objective", task)
    held = [v for v in vars(task).values() if isinstance(v, nn.Module)]
    perceptual = getattr(objective, "perceptual", None)
    held += [perceptual.trunk] if perceptual is not None else []
    saved = {id(network) for network in task.networks.values()}
    frozen = [network for network in held if id(network) not in saved]
    assert frozen
    assert {p.device.type for network in frozen for p in (*network.parameters(), *network.buffers())} == {"meta"}
    assert {p.device.type for network in task.networks.values() for p in network.parameters()} == {"cpu"}


@pytest.mark.parametrize("name", ["prior", "srflow-prior", "flowsr", "flowmap-base", "flowmap-lora"])
def test_a_missing_trunk_is_the_same_sentence_everywhere(name):
    with pytest.raises(RecipeError, match=NO_TRUNK):
        make_task(recipe.load(name), FLOWS.get(name))


def test_the_total_weighs_named_losses_and_those_without_a_weight_count_nothing():
    values = {"a": torch.tensor(2.0), "b": torch.tensor(3.0), "c": torch.tensor(100.0)}
    assert weighted_total({"a": 0.5, "b": 2.0, "d": 9.0}, values).item() == 7.0


def test_an_average_moves_by_what_decay_leaves():
    slow, fast = [torch.tensor([1.0, 5.0])], [torch.tensor([2.0, 1.0])]
    move_average(slow, fast, 0.75)
    assert slow[0].tolist() == [1.25, 4.0]
    assert fast[0].tolist() == [2.0, 1.0]
