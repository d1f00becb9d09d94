"""Models from files that a person names, published checkpoints among them, without a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from srcli.weights import store
from srcli.weights.convert import Converted, ConvertError, convert
from srcli.weights.manifest import Entry, Part
from srcli.weights.store import network_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """The networks of a model by role, and what a manifest would say of it."""

    entry: Entry
    networks: dict[str, nn.Module]


def load_files(path: Path, prior: Path | None = None, lora: Path | None = None) -> Loaded:
    """The model in a file, or in a flow's and its learned prior's, or in a flow map's and its low-rank change's:
    checkpoints as their authors publish them, or safetensors that `srcli` has written. Raises `ConvertError` with one
    sentence."""
    found = {file: convert(file) for file in (path, prior, lora) if file is not None}
    _check_roles(path, found[path], prior, None if prior is None else found[prior])
    if lora is not None:
        _check_change(path, found[path], lora, found[lora])
    networks = {c.role: network_of(c.architecture, c.tensors, file) for file, c in found.items()}
    if prior is not None and not networks["prior"].fits(networks["flow"]):  # type: ignore[operator]
        raise ConvertError(f"{prior} is a prior of another flow than {path}: their latents differ")
    main = found[path]
    parts = {c.role: Part(c.role, str(file), file.stat().st_size, c.source.sha256) for file, c in found.items()}
    entry = Entry(
        name=path.stem,
        aliases=(),
        purpose="given as a file",
        pipeline=main.pipeline,
        scales=main.scales,
        paper="",
        licence="unknown; see where the file is from",
        commercial=False,
        parts=parts,
    )
    return Loaded(entry, networks)


class OtherPart(ConvertError):
    """A sound file of another network than the one that was asked for."""


def load_part(path: Path, pipeline: str, role: str) -> nn.Module:
    """The network of a role of a pipeline, in a published checkpoint or in safetensors that `srcli` has written. Raises
    `ConvertError`, one sentence that names the file."""
    found = convert(path, role)
    if (found.pipeline, found.role) != (pipeline, role):
        raise OtherPart(f"{path} holds the {found.role} of {found.pipeline}, not the {role} of {pipeline}")
    return network_of(found.architecture, found.tensors, path)


def _check_roles(path: Path, main: Converted, prior: Path | None, second: Converted | None) -> None:
    if main.role == "prior":
        raise ConvertError(
            f"{path} is a learned prior and makes no picture without its flow: srcli upscale -m FLOW --prior {path}"
        )
    if main.role == "lora":
        raise ConvertError(
            f"{path} is a low-rank change and makes no picture without its network: "
            f"srcli upscale -m NETWORK --lora {path}"
        )
    if second is None:
        return
    if second.role != "prior":
        raise ConvertError(f"{prior} is no learned prior, but another part of a model ({second.role}, {second.family})")
    if main.role != "flow" or main.pipeline != second.pipeline:
        raise ConvertError(f"{prior} ({second.family}) is no prior for {path} ({main.family})")


def _check_change(path: Path, main: Converted, lora: Path, change: Converted) -> None:
    if change.role != "lora":
        raise ConvertError(
            f"{lora} is no low-rank change, but another part of a model ({change.role}, {change.family})"
        )
    if (main.pipeline, main.role) != ("flowmap", "velocity"):
        raise ConvertError(f"{path} is no flow map ({main.role}, {main.family}), so that --lora has no use")
    belongs = store.metadata(lora).get("flow")
    if belongs is None:
        raise ConvertError(f"{lora} does not say which network it changes; srcli train export writes that")
    if belongs != main.source.sha256:
        raise ConvertError(
            f"{lora} is a change of {belongs[:12]}, not of {path} ({main.source.sha256[:12]}; by their sha256)"
        )
