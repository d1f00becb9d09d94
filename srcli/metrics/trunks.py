"""Load the trunks of perceptual distances from files; their weights do not ship with the package."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from srcli.errors import SrcliError
from srcli.networks.trunks import TRUNKS, Trunk


class TrunkError(SrcliError):
    """The weights of a trunk are missing or do not fit."""

    exit_code = 4


def read_weights(*paths: Path) -> dict[str, Tensor]:
    """All tensors of safetensors files, in float32. Raises TrunkError."""
    found: dict[str, Tensor] = {}
    for path in paths:
        try:
            found |= {k: v.float() for k, v in load_file(path).items()}
        except (OSError, SafetensorError) as error:
            raise TrunkError(f"cannot read the trunk weights {path}: {error}") from error
    return found


def load_trunk(kind: str, weights: dict[str, Tensor], source: str) -> Trunk:
    """A frozen trunk with the `features.*` entries of `weights`.

    kind: squeeze, alex or vgg.
    source: the file, for errors.

    Raises TrunkError.
    """
    trunk = TRUNKS[kind]()
    features = {k: v for k, v in weights.items() if k.startswith("features.")}
    try:
        trunk.load_state_dict(features)
    except RuntimeError as error:
        raise TrunkError(f"{source} does not hold the trunk {kind}: {str(error).splitlines()[-1].strip()}") from error
    trunk.eval().requires_grad_(False)
    # Channels last is twice as fast on a CPU; activations follow the format of the weights.
    return trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
