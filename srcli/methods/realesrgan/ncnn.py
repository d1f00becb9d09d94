"""Weights in ncnn's binary format (`model.bin`), as the tools of Real-ESRGAN and Upscayl have them.

The file is the numbers of all layers in a row, without names or shapes, so only networks are read whose size is exactly
the file's: those that Real-ESRGAN has published. A convolution is a flag, its kernel in float16 or float32, and its
bias in float32; a PReLU is its slopes in float32.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srcli.methods.registry import build

HALF, SINGLE = b"\x47\x6b\x30\x01", b"\0\0\0\0"  # flags of a kernel in float16 and in float32
KNOWN: tuple[dict[str, Any], ...] = (
    *({"kind": "compact", "convs": convs, "scale": scale} for convs in (32, 16) for scale in (4, 3, 2, 1)),
    *({"kind": "esrgan", "blocks": blocks, "scale": scale} for blocks in (23, 6) for scale in (4, 2)),
)
# Our names are also those of SRFlow's RRDB, which has another long skip; BasicSR's are of ESRGAN alone.
BASICSR = (
    (re.compile(r"^RRDB_trunk\.(\d+)\.RDB(\d)\."), r"body.\1.rdb\2."),
    (re.compile(r"^trunk_conv\."), "conv_body."),
    (re.compile(r"^upconv(\d)\."), r"conv_up\1."),
    (re.compile(r"^HRconv\."), "conv_hr."),
)


def read(path: Path) -> dict[str, Tensor] | None:
    """The state dict in a file, with BasicSR's names, or None for a file of another format."""
    with path.open("rb") as file:
        flag = file.read(4)
    if flag not in (HALF, SINGLE):
        return None
    size = path.stat().st_size
    for architecture in KNOWN:
        with torch.device("meta"):
            network = build(architecture)
        if _bytes(network, half=flag == HALF) == size:
            state = _parsed(network, path.read_bytes())
            return None if state is None else {_renamed(key): value for key, value in state.items()}
    return None


def _renamed(key: str) -> str:
    for pattern, name in BASICSR:
        key = pattern.sub(name, key)
    return key


def _layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.PReLU)]


def _kernel_bytes(layer: nn.Conv2d, *, half: bool) -> int:
    count = layer.weight.numel()
    return (2 * count + 3) // 4 * 4 if half else 4 * count


def _bytes(network: nn.Module, *, half: bool) -> int:
    total = 0
    for _, layer in _layers(network):
        if isinstance(layer, nn.Conv2d):
            total += 4 + _kernel_bytes(layer, half=half) + 4 * layer.out_channels
        else:
            total += 4 * layer.weight.numel()  # type: ignore[operator]
    return total


def _parsed(network: nn.Module, data: bytes) -> dict[str, Tensor] | None:
    """The numbers under the names of the network's parameters; None where a kernel has no flag before it."""
    state, at = {}, 0

    def numbers(kind: type[np.floating], shape: torch.Size) -> Tensor:
        nonlocal at
        values = np.frombuffer(data, kind, shape.numel(), at).astype(np.float32)
        at += values.size * np.dtype(kind).itemsize
        return torch.from_numpy(values).view(shape)

    for name, layer in _layers(network):
        if isinstance(layer, nn.PReLU):
            state[f"{name}.weight"] = numbers(np.float32, layer.weight.shape)
            continue
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        flag, at = data[at : at + 4], at + 4
        if flag not in (HALF, SINGLE):
            return None
        end = at + _kernel_bytes(layer, half=flag == HALF)
        if end + 4 * layer.out_channels > len(data):
            return None
        state[f"{name}.weight"] = numbers(np.float16 if flag == HALF else np.float32, layer.weight.shape)
        at = end
        state[f"{name}.bias"] = numbers(np.float32, layer.bias.shape)
    return state if at == len(data) else None
