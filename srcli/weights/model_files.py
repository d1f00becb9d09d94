"""Load models from files given by the user, including published checkpoints, without a manifest entry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from srcli.methods.registry import methods
from srcli.weights import store
from srcli.weights.convert import Converted, ConvertError, convert, families
from srcli.weights.entries import Entry, Part
from srcli.weights.installing import first_difference
from srcli.weights.store import network_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """The networks of a model by role, with an entry as in a manifest."""

    entry: Entry
    networks: dict[str, nn.Module]


def file_in(name: str) -> tuple[str, Path] | None:
    """The family and the file in a name such as spandrel:FILE; None for the name of a model."""
    family, colon, file = name.partition(":")
    named = colon and any(each.last_resort and each.name == family for each in families())
    return (family, Path(file).expanduser()) if named else None


def load_files(
    path: Path,
    prior: Path | None = None,
    lora: Path | None = None,
    twin: Path | None = None,
    *,
    family: str | None = None,
) -> Loaded:
    """Load a model from published checkpoints or from safetensors files written by `srcli`.

    path: the flow or other main network.
    prior: a learned prior for the flow.
    lora: a LoRA for the flow map.
    twin: a network of the same shape, to mix with.
    family: of the main network; None for the first that knows it.

    Raises ConvertError.
    """
    found = {file: convert(file) for file in (prior, lora) if file is not None}
    found[path] = convert(path, family=family)
    _check_roles(path, found[path], prior, None if prior is None else found[prior])
    if lora is not None:
        _check_change(path, found[path], lora, found[lora])
    held = {c.role: (file, c) for file, c in found.items()}
    if twin is not None:
        held["twin"] = (twin, convert(twin))
        check_twin(path, found[path], *held["twin"])
    networks = {role: network_of(c.architecture, c.tensors, file) for role, (file, c) in held.items()}
    if prior is not None and not networks["prior"].fits(networks["flow"]):  # type: ignore[operator]
        raise ConvertError(f"{prior} is a prior for a different flow than {path}: their latents differ")
    main = found[path]
    parts = {
        role: Part(role, str(file), bytes=file.stat().st_size, sha256=c.source.sha256)
        for role, (file, c) in held.items()
    }
    entry = Entry(
        name=path.stem,
        aliases=(),
        purpose=methods()[main.pipeline].does,
        pipeline=main.pipeline,
        scales=main.scales,
        paper=methods()[main.pipeline].paper,
        licence="unknown; see where the file is from",
        commercial=False,
        parts=parts,
    )
    return Loaded(entry, networks)


class OtherPart(ConvertError):
    """A valid file that holds a different network than expected."""


def load_part(path: Path, pipeline: str, role: str) -> nn.Module:
    """Load the network with this role in a pipeline from a published checkpoint or a safetensors file.

    Raises ConvertError, or OtherPart if the file holds a different network.
    """
    found = convert(path, role)
    if (found.pipeline, found.role) != (pipeline, role):
        raise OtherPart(f"{path} holds the {found.role} of {found.pipeline}, not the {role} of {pipeline}")
    return network_of(found.architecture, found.tensors, path)


def _check_roles(path: Path, main: Converted, prior: Path | None, second: Converted | None) -> None:
    if main.role == "prior":
        raise ConvertError(f"{path} is a learned prior, which needs its flow: srcli upscale -m FLOW --prior {path}")
    if main.role == "lora":
        raise ConvertError(f"{path} is a LoRA, which needs its network: srcli upscale -m NETWORK --lora {path}")
    if second is None:
        return
    if second.role != "prior":
        raise ConvertError(
            f"{prior} is not a learned prior but another part of a model ({second.role}, {second.family})"
        )
    if main.role != "flow" or main.pipeline != second.pipeline:
        raise ConvertError(f"{prior} ({second.family}) is not a prior for {path} ({main.family})")


def _check_change(path: Path, main: Converted, lora: Path, change: Converted) -> None:
    if change.role != "lora":
        raise ConvertError(f"{lora} is not a LoRA but another part of a model ({change.role}, {change.family})")
    if main.role == "lora" or "lora" not in {part.role for part in methods()[main.pipeline].parts}:
        raise ConvertError(f"{path} is not a flow map ({main.role}, {main.family}), so it cannot take --lora")
    belongs = store.metadata(lora).get("flow")
    if belongs is None:
        raise ConvertError(f"{lora} does not say which network it belongs to; export it again with srcli train export")
    if belongs != main.source.sha256:
        raise ConvertError(
            f"{lora} belongs to the network with sha256 {belongs[:12]}, not to {path} ({main.source.sha256[:12]})"
        )


def check_twin(path: Path, main: Converted, twin: Path, second: Converted) -> None:
    """Raise ConvertError unless the networks in two files can be mixed."""
    if "twin" not in {part.role for part in methods()[main.pipeline].parts}:
        raise ConvertError(f"{path} ({main.family}) cannot be mixed with another network, so it takes no --twin")
    if (second.pipeline, second.role) != (main.pipeline, main.role):
        raise ConvertError(f"{twin} ({second.role}, {second.family}) is no twin of {path} ({main.role}, {main.family})")
    if (difference := first_difference(main.architecture, second.architecture)) is not None:
        raise ConvertError(f"{twin} cannot be mixed with {path}, a network of another shape ({difference})")
