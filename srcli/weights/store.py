"""Weights on disk to networks ready to run. Only safetensors are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli.errors import SrcliError
from srcli.weights import cache as home
from srcli.weights.manifest import HERE, Entry, Part

if TYPE_CHECKING:
    from torch import Tensor, nn

EMBEDDED = HERE / "embedded"
TENSORS = "tensors:"  # begins a digest of weights, as against one of a file


class WeightsMissing(SrcliError):
    """Weights that are not on this machine or are not what they should be."""

    exit_code = 4


def kept(part: Part) -> Path:
    """Where a part's file is, or will be once it is pulled: .safetensors, into which other formats are converted."""
    if part.embedded:
        return EMBEDDED / part.file
    return (home.weights() / part.file).with_suffix(".safetensors")


def missing(entry: Entry) -> list[Part]:
    """The parts that are not on this machine."""
    return [part for part in entry.parts.values() if not kept(part).is_file()]


def locate(part: Part) -> Path:
    """The file of a part, checked against the manifest, or against what it was when it came. Raises WeightsMissing."""
    path = kept(part)
    if part.embedded:
        if not path.is_file():
            raise WeightsMissing(f"the weights {part.file} are missing from {EMBEDDED}; reinstall srcli")
        if path.stat().st_size != part.bytes or sha256(path) != part.sha256:
            raise WeightsMissing(f"the weights {path} are not those of the manifest; reinstall srcli")
        return path
    if not path.is_file():
        raise WeightsMissing(f"the weights {path.name} are not on this machine; srcli models list says what is")
    verify(part, quick=True)
    return path


def verify(part: Part, *, quick: bool = False) -> None:
    """Check a file that lies here against its pin, and that against the manifest. quick: a file with the size and time
    that it had is taken as checked. Raises WeightsMissing."""
    if part.embedded:
        locate(part)
        return
    path, pin = kept(part), home.pins().get(part.file)
    cure = f"run: srcli models rm --file {part.file} and pull or import it again"
    if not path.is_file():
        raise WeightsMissing(f"the weights {path.name} are not on this machine")
    if pin is None:
        raise WeightsMissing(f"nothing is known of where {path} comes from; {cure}")
    if not agrees(part, pin.sha256):
        raise WeightsMissing(f"{path} is not the file that the manifest names (sha256 {pin.sha256[:12]}...); {cure}")
    state = path.stat()
    same = state.st_size == pin.kept_bytes and (pin.kept_sha256 == pin.sha256 or not part.plain)
    if same and not (quick and state.st_mtime_ns == pin.mtime_ns):
        same = sha256(path) == pin.kept_sha256
    if not same:
        raise WeightsMissing(f"{path} has changed since it came on {pin.date}; {cure}")


def digest(part: Part) -> str:
    """The hash of the published file whose weights are used: what the manifest says, or what it was when it came."""
    pin = None if part.sha256 else home.pins().get(part.file)
    return part.sha256 or (pin.sha256 if pin else "")


def agrees(part: Part, digest: str) -> bool:
    """Whether a published file's hash is what the manifest says, as far as it says anything."""
    return digest == part.sha256 if part.sha256 else digest.startswith(part.starts)


def read(path: Path) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The tensors of a safetensors file and its metadata. Raises WeightsMissing."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMissing(f"{path} is not a readable safetensors file: {error}") from error


def metadata(path: Path) -> Mapping[str, str]:
    """Of a safetensors file whose parts are where its head says. Raises WeightsMissing."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMissing(f"{error}") from None


def load_network(path: Path) -> nn.Module:
    """The network in a safetensors file: its architecture is in the file's metadata, float16 becomes float32."""
    tensors, metadata = read(path)
    if "architecture" not in metadata:
        raise WeightsMissing(f"{path} does not say its architecture; was it made by srcli train export?")
    try:
        architecture = json.loads(metadata["architecture"])
    except ValueError as error:
        raise WeightsMissing(f"{path} names its architecture in no JSON: {error}") from error
    return network_of(architecture, tensors, path)


def network_of(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network of an architecture with these weights, ready for inference. path: where they are from, for errors."""
    import torch

    from srcli.methods.registry import build

    try:
        network = build(architecture)
    except (ValueError, TypeError) as error:
        raise WeightsMissing(f"{path} names an architecture that this version does not have: {error}") from error
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except RuntimeError as error:
        raise WeightsMissing(f"{path} does not fit its own architecture: {error}") from error
    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def tensors_sha256(network: nn.Module) -> str:
    """Digest of a network's weights, the same for every file that holds them: `tensors:` and hex."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return TENSORS + digest.hexdigest()


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encoder_digest(flow: Path) -> str:
    """The digest of the encoder in whose latents a flow of DegFlow works, empty where its file does not say."""
    return metadata(flow).get("autoencoder", "") if flow.suffix == ".safetensors" else ""
