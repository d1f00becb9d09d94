"""What a family of published checkpoints is to the converter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from srcli.errors import SrcliError


class ConvertError(SrcliError):
    """A checkpoint that is not what it should be, or that no family knows. The sentence names the file."""

    exit_code = 4


class Misfit(Exception):
    """What is wrong with the contents of a checkpoint, for families: `convert` makes a `ConvertError` of it, with the
    file's name in front."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file that weights were made from."""

    file: str  # its name, without folders
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state dict of a file, without wrapping.

    wrapping: the name under which it lay (model, prior_model, state_dict, params_ema ...), or "". args: what the file
    says of its own architecture; {} where it says nothing. metadata: of a safetensors file.
    """

    tensors: dict[str, Tensor]
    source: Source
    wrapping: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Converted:
    """Weights under the names of our networks, and how to run them.

    architecture: what `srcli.methods.registry.build` takes. role: flow, prior, encoder or another role of the pipeline.
    scales: the smallest and the largest that the pipeline makes.
    """

    family: str
    pipeline: str
    role: str
    scales: tuple[float, float]
    architecture: dict[str, Any]
    tensors: dict[str, Tensor]
    source: Source


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of published checkpoint.

    detect: whether a state dict with these keys is of this kind; families are asked in order, and the first that says
    yes is taken, so it should look at what is characteristic and not be strict. convert: the checkpoint under our
    names, or `Misfit` with what is wrong; sizes come from keys and shapes, `args` only have to agree. What it returns
    is checked key by key against the network of its architecture. role: of what `convert` returns, where a file may
    hold several networks, each with a family of its own.
    """

    name: str
    title: str  # for people, e.g. "SRFlow"
    detect: Callable[[Collection[str]], bool]
    convert: Callable[[Checkpoint], Converted]
    role: str = ""
