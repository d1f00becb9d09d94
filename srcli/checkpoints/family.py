"""Families of published checkpoints: how to recognise and convert them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from srcli.errors import SrcliError


class ConvertError(SrcliError):
    """A checkpoint that is damaged, unexpected or of no known family. The message names the file."""

    exit_code = 4


class Misfit(Exception):
    """The content of a checkpoint does not fit its family. `convert` adds the file's name and raises ConvertError."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that weights come from.

    file: its name without folders.
    """

    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state dict of a file, unwrapped.

    wrapping: the key that held it (model, prior_model, state_dict, params_ema ...), or "".
    args: the file's own description of its architecture, or {}.
    metadata: of a safetensors file.
    """

    tensors: dict[str, Tensor]
    source: SourceFile
    wrapping: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """Weights with the names of our networks, and how to run them.

    role: flow, prior, encoder or another role in the pipeline.
    scales: the smallest and the largest scale of the pipeline.
    architecture: kind and hyper-parameters for `srcli.methods.registry.build`.
    """

    family: str
    pipeline: str
    role: str
    scales: tuple[float, float]
    architecture: dict[str, Any]
    tensors: dict[str, Tensor]
    source: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of published checkpoint.

    title: its name for people, such as "SRFlow".
    detect: whether a state dict with these keys is of this kind. The first matching family is used, so check only
        what is characteristic.
    convert: the checkpoint with our names; raises Misfit. Sizes come from keys and shapes, and `args` must agree with
        them. The result is checked key by key against the network of its architecture.
    role: the role of the converted network, if files of this family can hold several networks.
    last_resort: whether it is asked only where no other family knows the file; its `detect` gets the tensors too.
    """

    name: str
    title: str
    detect: Callable[[Collection[str]], bool]
    convert: Callable[[Checkpoint], Converted]
    role: str = ""
    last_resort: bool = False
