"""Find, verify and load weights. Only safetensors files are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli.errors import SrcliError
from srcli.userfolders import NoHome
from srcli.weights import cache
from srcli.weights.entries import Entry, Part

if TYPE_CHECKING:
    from torch import Tensor, nn

EMBEDDED = Path(__file__).parent / "embedded"
TENSORS = "tensors:"  # prefix of a digest of tensors rather than of a file


class WeightsMissing(SrcliError):
    """Weights that are missing or not the expected ones."""

    exit_code = 4


def path_of(part: Part) -> Path:
    """Where a part's file is, or will be once it is pulled. Other formats are converted to .safetensors.

    Raises NoHome.
    """
    if part.embedded:
        return EMBEDDED / part.file
    return (cache.weights_folder() / part.file).with_suffix(".safetensors")


def installed(part: Part) -> bool:
    """Whether a part's file is on this machine."""
    try:
        return path_of(part).is_file()
    except NoHome:  # nothing can have been downloaded
        return False


def missing(entry: Entry) -> list[Part]:
    """The parts that are not on this machine."""
    return [part for part in entry.parts.values() if not installed(part)]


def models_of(entry: Entry, known: Mapping[str, Entry]) -> list[Entry]:
    """The models that a model runs: itself; for `auto`, those that it picks from, which are on this machine.

    known: all models by name.
    """
    from srcli import choice  # not at the top: it loads what looks at pictures

    if entry.pipeline != choice.AUTO:
        return [entry]
    better = [name for name in choice.RESTORERS if name in known and not missing(known[name])]
    return [known[name] for name in dict.fromkeys((*choice.MODELS, *better))]


def locate(part: Part) -> Path:
    """The file of a part, checked against the manifest and its pin. Raises WeightsMissing."""
    path = path_of(part)
    if part.embedded:
        if not path.is_file():
            raise WeightsMissing(f"the weights {part.file} are missing from {EMBEDDED}; reinstall srcli")
        if path.stat().st_size != part.bytes or sha256(path) != part.sha256:
            raise WeightsMissing(f"the weights {path} do not match the manifest; reinstall srcli")
        return path
    if not path.is_file():
        raise WeightsMissing(f"the weights {path.name} are not on this machine; srcli models list shows which are")
    verify(part, quick=True)
    return path


def verify(part: Part, *, quick: bool = False) -> None:
    """Check a stored file against its pin, and the pin against the manifest.

    quick: trust a file whose size and modification time are unchanged. Raises WeightsMissing.
    """
    if part.embedded:
        locate(part)
        return
    path, pin = path_of(part), cache.pins().get(part.file)
    cure = f"run: srcli models rm --file {part.file} and pull or import it again"
    if not path.is_file():
        raise WeightsMissing(f"the weights {path.name} are not on this machine")
    if pin is None:
        raise WeightsMissing(f"the origin of {path} is unknown; {cure}")
    if not agrees(part, pin.sha256):
        raise WeightsMissing(f"{path} is not the file in the manifest (its sha256 is {pin.sha256[:12]}...); {cure}")
    state = path.stat()
    same = state.st_size == pin.kept_bytes and (pin.kept_sha256 == pin.sha256 or not part.plain)
    if same and not (quick and state.st_mtime_ns == pin.mtime_ns):
        same = sha256(path) == pin.kept_sha256
    if not same:
        raise WeightsMissing(f"{path} has changed since {pin.date}, when it was downloaded or imported; {cure}")


def digest(part: Part) -> str:
    """The sha256 of the published file, from the manifest or from the pin; empty if unknown."""
    pin = None if part.sha256 else cache.pins().get(part.file)
    return part.sha256 or (pin.sha256 if pin else "")


def agrees(part: Part, digest: str) -> bool:
    """Whether a published file's hash matches what the manifest says of it, if anything."""
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
    """The metadata of a safetensors file. Raises WeightsMissing if it is not one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMissing(f"{error}") from None


def load_network(path: Path) -> nn.Module:
    """The network in a safetensors file, in float32; its metadata names the architecture. Raises WeightsMissing."""
    tensors, metadata = read(path)
    if "architecture" not in metadata:
        raise WeightsMissing(
            f"{path} does not name its architecture; make it with srcli train export or srcli models convert"
        )
    try:
        architecture = json.loads(metadata["architecture"])
    except ValueError as error:
        raise WeightsMissing(f"the architecture in {path} is not JSON: {error}") from error
    return network_of(architecture, tensors, path)


def network_of(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network of an architecture with these weights, ready for inference.

    path: the file of the weights, for errors. Raises WeightsMissing.
    """
    import torch

    from srcli.methods.registry import build

    try:
        network = build(architecture)
    except (ValueError, TypeError) as error:
        raise WeightsMissing(f"{path} has an architecture that this version of srcli does not know: {error}") from error
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except RuntimeError as error:
        raise WeightsMissing(f"the tensors of {path} do not fit its architecture: {error}") from error
    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def tensors_sha256(network: nn.Module) -> str:
    """A digest of a network's weights, the same whatever file they are in: `tensors:` and a hex number."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return TENSORS + digest.hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encoder_digest(flow: Path) -> str:
    """The digest of the encoder in whose latents a flow of DegFlow works, empty where its file does not say."""
    return metadata(flow).get("autoencoder", "") if flow.suffix == ".safetensors" else ""
