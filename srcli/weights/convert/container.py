"""Open checkpoint files safely: checked before they are opened, and without running code in them.

`torch.load(weights_only=True)` builds only tensors, numbers, strings and containers. It would still trust a small file
that claims to be huge, so sizes are compared with the file's size before and after.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srcli.checkpoints.family import Checkpoint, ConvertError, SourceFile
from srcli.methods import registry
from srcli.weights.store import sha256

MAX_BYTES = 16 * 2**30
MAX_ENTRIES = 100_000  # in a zip archive, one per tensor
ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # torch.save before 1.6: the pickle of its magic number
NESTED = ("model", "prior_model")  # of LINF and its learned priors: {"name", "args", "sd"}
# Wrappings in order of preference: weights averaged over training are better than those of the last step.
WRAPPED = (
    "params_ema",
    "ema_state_dict",
    "model_ema",
    "state_dict_ema",
    "ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "generator",
)
PREFIXES = ("module.", "model.", "net.", "netG.", "net_g.", "generator.", "_orig_mod.")
FOREIGN = re.compile(r"GLOBAL ([\w.]+)")  # what a pickle wants to import, in torch.load's error
TRAINING = ("optimizers", "optimizer", "schedulers", "optimizer_states")


def read(path: Path) -> Checkpoint:
    """The state dict of a checkpoint. Raises ConvertError."""
    if path.exists() and not path.is_file():
        raise ConvertError(f"{path} is not a file")
    try:
        size, start = path.stat().st_size, _start(path)
    except FileNotFoundError:
        raise ConvertError(f"{path} does not exist") from None
    except OSError as error:
        raise ConvertError(f"{path} cannot be read: {error.strerror or error}") from None
    if size > MAX_BYTES:
        raise ConvertError(f"{path} has {size / 2**30:.0f} GiB, more than any known checkpoint, so it is not opened")
    if start.startswith(ZIP):
        _check_archive(path, size)
    elif not start.startswith(LEGACY):
        if _looks_like_safetensors(start, size):
            return _safetensors(path, size)
        for reader in registry.readers():
            if (state := reader(path)) is not None:
                return _checkpoint(path, state, 2 * size, "", {})  # float16 has become float32
        raise ConvertError(f"{path} is not a checkpoint: it was written by neither torch.save nor safetensors")
    content = _load(path)
    return _unwrapped(path, content, size)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(LEGACY))


def _check_archive(path: Path, size: int) -> None:
    """Raise ConvertError for a suspicious archive. torch.save does not compress, so content cannot exceed file size."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ConvertError(f"{path} is damaged or incomplete; download it again ({error})") from None
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > size:
        raise ConvertError(f"{path} claims to hold more than its size, so it is not opened")
    if not any(entry.filename.endswith("data.pkl") for entry in entries):
        raise ConvertError(f"{path} is an archive but not a checkpoint: it was not written by torch.save")


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = FOREIGN.search(str(error))
        if named is None:
            raise ConvertError(f"{path} is damaged or incomplete; download it again") from None
        raise ConvertError(
            f"{path} holds more than tensors ({named[1][:80]}), which may be code, so it is not opened; "
            "ask its author for a state dict"
        ) from None
    except (MemoryError, torch.OutOfMemoryError):
        raise ConvertError(f"{path} needs more memory than is available, so it is not opened") from None
    except Exception as error:  # a damaged file can raise anything
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConvertError(f"{path} is damaged or incomplete; download it again ({text[:120]})") from None


def _unwrapped(path: Path, content: Any, size: int) -> Checkpoint:
    wrapping, args = "", {}
    if isinstance(content, Mapping):
        for name in NESTED:
            nested = content.get(name)
            if isinstance(nested, Mapping) and isinstance(nested.get("sd"), Mapping):
                described = nested.get("args")
                args = {**(described if isinstance(described, Mapping) else {}), "name": nested.get("name", "")}
                return _checkpoint(path, nested["sd"], size, name, args)
        inner = next((name for name in WRAPPED if isinstance(content.get(name), Mapping)), "")
        if inner:
            content, wrapping = content[inner], inner
        content = _joined(content)
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        if isinstance(content, Mapping) and any(name in content for name in TRAINING):
            raise ConvertError(f"{path} holds the state of a training run, not a network; use the checkpoint beside it")
        raise ConvertError(f"{path} holds {_what(content)} instead of a state dict")
    return _checkpoint(path, content, size, wrapping, args)


def _joined(content: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Join several state dicts into one, such as DegFlow's {"encoder": ..., "decoder": ...}; drop other values."""
    if any(isinstance(value, Tensor) for value in content.values()):
        return content
    parts = {
        name: part
        for name, part in content.items()
        if isinstance(part, Mapping) and all(isinstance(value, Tensor | float) for value in part.values())
    }
    if not any(isinstance(value, Tensor) for part in parts.values() for value in part.values()):
        return content
    return {f"{name}.{key}": torch.as_tensor(v) for name, part in parts.items() for key, v in part.items()}


def _checkpoint(path: Path, state: Mapping[Any, Any], size: int, wrapping: str, args: Mapping[str, Any]) -> Checkpoint:
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ConvertError(f"{path}: {str(key)[:80]!r} in its state dict is {_what(value)}, not a tensor")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise ConvertError(f"{path}: the tensor {key} is sparse, quantised or without data")
    # Zero strides can make a tensor of any size from one number, whose check for finite numbers would never end.
    if sum(value.numel() * value.element_size() for value in state.values()) > size:
        raise ConvertError(f"{path} claims to hold more than its size, so it is not opened")
    tensors = _without_prefix({key: value.detach() for key, value in state.items()})
    return Checkpoint(tensors=tensors, source=SourceFile(path.name, sha256(path)), wrapping=wrapping, args=args)


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The keys without the prefixes that DataParallel and trainers add to all of them."""
    while prefix := next((p for p in PREFIXES if state and all(key.startswith(p) for key in state)), ""):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _looks_like_safetensors(start: bytes, size: int) -> bool:
    return len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= size - 8


def _safetensors(path: Path, size: int) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise ConvertError(f"{path} is not a valid safetensors file: {error}") from None
    made = _checkpoint(path, tensors, size, "", {})
    return Checkpoint(tensors=made.tensors, source=made.source, metadata=metadata)


def _what(value: Any) -> str:
    """The type of a value with its article, for errors."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
