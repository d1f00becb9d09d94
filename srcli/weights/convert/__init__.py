"""Published checkpoints to safetensors files that say what they are: `convert(path)`, then `write(converted, out)`.

A new family is one module with a `Family`, named in `FAMILIES`; see `srcli.weights.convert.family`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file

from srcli.files import WriteError
from srcli.weights.convert import linf, linf_lp, ours, rrdb, srflow, srflow_lp
from srcli.weights.convert.container import read
from srcli.weights.convert.family import Checkpoint, Converted, ConvertError, Family, Misfit, Source
from srcli.weights.convert.shapes import account, check_indices, check_invertible

__all__ = ["FAMILIES", "Checkpoint", "ConvertError", "Converted", "Family", "Misfit", "Source", "convert", "write"]

# In the order in which they are asked.
FAMILIES: tuple[Family, ...] = (linf.FAMILY, linf_lp.FAMILY, srflow.FAMILY, srflow_lp.FAMILY, rrdb.FAMILY)

OURS = Family("srcli", "weights of srcli", lambda keys: False, ours.convert)  # told by its metadata


def convert(path: Path) -> Converted:
    """A published checkpoint (.pth, .pt, .ckpt, .safetensors) under the names of our networks, every key accounted for;
    or what `write` or `srcli train export` has made, as it is.

    Code in the file does not run. Raises `ConvertError` (exit code 4), one sentence that names the file.
    """
    checkpoint = read(path)
    family = OURS if "architecture" in checkpoint.metadata else None
    family = family or next((f for f in FAMILIES if f.detect(checkpoint.tensors.keys())), None)
    if family is None:
        known = ", ".join(f.title for f in FAMILIES)
        example = next(iter(checkpoint.tensors), "nothing")[:80]
        raise ConvertError(f"{path} holds an unknown network (its first key is {example}); known are {known}")
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
    except OSError as error:
        raise WriteError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return metadata
