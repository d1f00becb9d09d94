"""A small flow map with its LoRA, ready to be run."""

from __future__ import annotations

import torch

from srcli.methods.flowmap.lora import Lora
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.registry import build
from tests.methods.flowmap.steps import SMALL
from tests.methods.flowsr.steps import awake

CHANGE = {"kind": "lora", "rank": 2, "network": SMALL}


def small() -> VelocityNet:
    torch.manual_seed(0)
    return awake(build(SMALL))  # type: ignore[return-value]


def change() -> Lora:
    torch.manual_seed(1)
    return awake(build(CHANGE))  # type: ignore[return-value]


MODEL = FlowmapModel(small(), change())
