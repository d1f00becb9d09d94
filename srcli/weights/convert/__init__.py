"""Published checkpoints to safetensors files that say what they are: `convert(path)`, then `write(converted, out)`.

Families of published checkpoints belong to the methods, whose declarations name them (`Method.published`).
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from srcli.checkpoints.family import Checkpoint, Converted, ConvertError, Family, Misfit, Source
from srcli.checkpoints.shapes import account, check_indices, check_invertible
from srcli.files import WriteError
from srcli.methods import registry
from srcli.weights.convert import lpips, ours
from srcli.weights.convert.container import read

__all__ = [
    "Checkpoint", "ConvertError", "Converted", "Family", "Misfit", "Source", "convert", "families", "held", "write",
]  # fmt: skip


def families() -> tuple[Family, ...]:
    """All families, in the order in which they are asked: those of the methods, then what LPIPS is made of."""
    return (*registry.families(), lpips.HEADS, lpips.TRUNK)


OURS = Family("srcli", "weights of srcli", lambda keys: False, ours.convert)  # told by its metadata


def convert(path: Path, role: str | None = None) -> Converted:
    """A published checkpoint (.pth, .pt, .ckpt, .safetensors) under the names of our networks, every key accounted for;
    or what `write` or `srcli train export` has made, as it is.

    role: which network, of a file that holds several; where it does not have that one, or for None, the one that the
    file was made for. Code in the file does not run. Raises `ConvertError` (exit code 4), one sentence that names the
    file.
    """
    checkpoint = read(path)
    families = _families(path, checkpoint)
    return _converted(path, checkpoint, next((f for f in families if f.role == role), families[0]))


def held(path: Path) -> list[str]:
    """The roles of the networks in a file, first the one that it was made for. Raises `ConvertError`."""
    checkpoint = read(path)
    return [_converted(path, checkpoint, family).role for family in _families(path, checkpoint)]


def _families(path: Path, checkpoint: Checkpoint) -> list[Family]:
    """Those of the networks in a file, at least one."""
    if "architecture" in checkpoint.metadata:
        return [OURS]
    keys = checkpoint.tensors.keys()
    found = [family for family in families() if family.detect(keys)]
    if not found:
        known = ", ".join(f.title for f in families())
        example = next(iter(keys), "nothing")[:80]
        raise ConvertError(f"{path} holds an unknown network (its first key is {example}); known are {known}")
    return [family for family in found if family.role] if found[0].role else found[:1]


def _converted(path: Path, checkpoint: Checkpoint, family: Family) -> Converted:
    try:
        converted = family.convert(checkpoint)
        account(converted.tensors, converted.architecture)
        check_indices(converted.tensors)
        check_invertible(converted.tensors)
    except Misfit as error:
        raise ConvertError(f"{path} looks like {family.title}, but {error}") from None
    return converted


def write(converted: Converted, out: Path, *, overwrite: bool = False) -> dict[str, str]:
    """Save as safetensors, under a temporary name until it is whole; returns the metadata: architecture, family,
    pipeline, role, scales and what it was made from. Raises `ConvertError` where the file exists already."""
    if out.exists() and not overwrite:
        raise ConvertError(f"{out} exists already")
    metadata = {
        "architecture": json.dumps(converted.architecture),
        "family": converted.family,
        "pipeline": converted.pipeline,
        "role": converted.role,
        "scales": json.dumps(converted.scales),
        "source": json.dumps(asdict(converted.source)),
    }
    part = out.with_name(f".srcli-{os.getpid()}-{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in converted.tensors.items()}, part, metadata)
        part.chmod(0o644)
        part.replace(out)
    except (OSError, SafetensorError) as error:
        raise WriteError(f"cannot write {out}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return metadata
