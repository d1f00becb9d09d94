"""Published checkpoints of Real-ESRGAN's architectures: `params_ema` or `params` of BasicSR, plain state dicts, and the
key names that ESRGAN had before."""

from __future__ import annotations

import re
from collections.abc import Collection

from torch import Tensor

from srcli.checkpoints.family import Checkpoint, Converted, Family, Misfit
from srcli.checkpoints.shapes import State, count, root, size

BASICSR = (  # BasicSR's names to ours, which are those of ESRGAN's authors
    (re.compile(r"body\.(\d+)\.rdb(\d)\."), r"RRDB_trunk.\1.RDB\2."),
    (re.compile(r"^conv_body\."), "trunk_conv."),
    (re.compile(r"^conv_up(\d)\."), r"upconv\1."),
    (re.compile(r"^conv_hr\."), "HRconv."),
)
SCALES = {3: 4, 12: 2, 48: 1}  # by the channels that the first convolution sees
PLAIN = re.compile(r"body\.[0-9]{1,4}\.(weight|bias)")
OLD_TAIL = (("3.", "upconv1."), ("6.", "upconv2."), ("8.", "HRconv."), ("10.", "conv_last."))


def is_compact(keys: Collection[str]) -> bool:
    return "body.0.weight" in keys and all(PLAIN.fullmatch(key) for key in keys)


def compact(checkpoint: Checkpoint) -> Converted:
    state = checkpoint.tensors
    last = max(int(key.split(".")[1]) for key in state)
    if last < 4 or last % 2:
        raise Misfit(f"its last layer is body.{last}, which does not end a stack of convolutions with PReLU")
    colours = size(state, f"body.{last}.weight")
    if colours % 3:
        raise Misfit(f"its last layer has {colours} channels, which are no picture")
    architecture = {
        "kind": "compact",
        "width": size(state, "body.0.weight"),
        "convs": last // 2 - 1,
        "scale": root(colours // 3, "the number of pixels that its last layer makes of one"),
    }
    return _converted(checkpoint, architecture, dict(state))


def is_esrgan(keys: Collection[str]) -> bool:
    return "body.0.rdb1.conv1.weight" in keys


def esrgan(checkpoint: Checkpoint) -> Converted:
    return _rrdb(checkpoint, {_renamed(key): value for key, value in checkpoint.tensors.items()})


def is_old_esrgan(keys: Collection[str]) -> bool:
    return "1.sub.0.RDB1.conv1.0.weight" in keys  # after `model.`, which all of them begin with


def old_esrgan(checkpoint: Checkpoint) -> Converted:
    """The names of a `Sequential`: 0 is the first convolution, 1 the blocks with the convolution after them, 3 and 6
    the doublings, 8 and 10 the last two."""
    blocks = count(checkpoint.tensors, r"1\.sub\.(\d+)\.RDB1\.")
    named = {}
    for key, value in checkpoint.tensors.items():
        name = re.sub(r"^1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"RRDB_trunk.\1.RDB\2.conv\3.", key)
        for old, new in (("0.", "conv_first."), (f"1.sub.{blocks}.", "trunk_conv."), *OLD_TAIL):
            name = new + name.removeprefix(old) if name.startswith(old) else name
        named[name] = value
    return _rrdb(checkpoint, named)


def _renamed(key: str) -> str:
    for pattern, name in BASICSR:
        key = pattern.sub(name, key)
    return key


def _rrdb(checkpoint: Checkpoint, state: State) -> Converted:
    seen = size(state, "conv_first.weight", 1)
    if seen not in SCALES:
        raise Misfit(f"its first layer sees {seen} channels instead of 3, 12 or 48")
    architecture = {
        "kind": "esrgan",
        "blocks": count(state, r"RRDB_trunk\.(\d+)\."),
        "features": size(state, "conv_first.weight"),
        "growth": size(state, "RRDB_trunk.0.RDB1.conv1.weight"),
        "scale": SCALES[seen],
    }
    return _converted(checkpoint, architecture, dict(state))


def _converted(checkpoint: Checkpoint, architecture: dict, tensors: dict[str, Tensor]) -> Converted:
    return Converted(
        family="realesrgan",
        pipeline="realesrgan",
        role="generator",
        scales=(1.0, float(architecture["scale"])),
        architecture=architecture,
        tensors=tensors,
        source=checkpoint.source,
    )


COMPACT = Family(name="compact", title="Real-ESRGAN (compact)", detect=is_compact, convert=compact)
ESRGAN = Family(name="esrgan", title="Real-ESRGAN", detect=is_esrgan, convert=esrgan)
OLD_ESRGAN = Family(name="old-esrgan", title="ESRGAN", detect=is_old_esrgan, convert=old_esrgan)
