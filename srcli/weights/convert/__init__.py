"""Convert published checkpoints to self-describing safetensors files: `convert(path)`, then `write(converted, out)`.

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

from srcli.checkpoints.family import Checkpoint, Converted, ConvertError, Family, Misfit, SourceFile
from srcli.checkpoints.shapes import account, check_indices, check_invertible
from srcli.files import WriteError
from srcli.methods import registry
from srcli.weights import extras
from srcli.weights.convert import lpips, ours
from srcli.weights.convert.container import read

__all__ = [
    "Checkpoint",
    "ConvertError",
    "Converted",
    "Family",
    "Misfit",
    "SourceFile",
    "convert",
    "families",
    "roles_in",
    "write",
]


def families() -> tuple[Family, ...]:
    """All families, in the order in which they are tried: those of the methods, then the parts of LPIPS."""
    known = registry.families()
    last = [family for family in known if family.last_resort]
    return (*(family for family in known if not family.last_resort), lpips.HEADS, lpips.TRUNK, *last)


# Recognised by its metadata, not by its keys.
OURS = Family(name="srcli", title="weights of srcli", detect=lambda keys: False, convert=ours.convert)


def convert(path: Path, role: str | None = None, family: str | None = None) -> Converted:
    """Read a checkpoint and rename its tensors to those of our networks; every key must be accounted for.

    path: a published checkpoint (.pth, .pt, .ckpt, .safetensors), or a file made by `write` or `srcli train export`.
    role: the network to take from a file with several; None, or a role the file lacks, takes its main network.
    family: by name, one of those that are asked last; None: the first that knows the file.

    Code in the file is not run. Raises ConvertError.
    """
    checkpoint = read(path)
    if family is not None:
        return _converted(path, checkpoint, next(f for f in families() if f.name == family))
    found = _families(path, checkpoint)
    return _converted(path, checkpoint, next((f for f in found if f.role == role), found[0]))


def roles_in(path: Path) -> list[str]:
    """The roles of the networks in a file, its main network first. Raises ConvertError."""
    checkpoint = read(path)
    return [_converted(path, checkpoint, family).role for family in _families(path, checkpoint)]


def _families(path: Path, checkpoint: Checkpoint) -> list[Family]:
    """The families of the networks in a file, at least one. Raises ConvertError."""
    if "architecture" in checkpoint.metadata:
        return [OURS]
    keys = checkpoint.tensors.keys()
    found = [family for family in families() if not family.last_resort and family.detect(keys)]
    found = found or [family for family in families() if family.last_resort and family.detect(checkpoint.tensors)]
    if not found:
        known = ", ".join(f.title for f in families())
        example = next(iter(keys), "nothing")[:80]
        more = "" if extras.installed("spandrel") else "; for the last, run: pip install 'srcli[spandrel]'"
        raise ConvertError(f"{path} holds an unknown network (its first key is {example}); supported are {known}{more}")
    return [family for family in found if family.role] if found[0].role else found[:1]


def _converted(path: Path, checkpoint: Checkpoint, family: Family) -> Converted:
    try:
        converted = family.convert(checkpoint)
        if account(converted.tensors, converted.architecture):
            check_indices(converted.tensors)
            check_invertible(converted.tensors)
    except Misfit as error:
        raise ConvertError(f"{path} looks like {family.title}, but {error}") from None
    return converted


def write(converted: Converted, out: Path, *, overwrite: bool = False) -> dict[str, str]:
    """Save as safetensors, written to a temporary file and renamed.

    Returns the metadata: architecture, family, pipeline, role, scales and source file. Raises ConvertError if `out`
    exists, WriteError if it cannot be written.
    """
    if out.exists() and not overwrite:
        raise ConvertError(f"{out} already exists")
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
