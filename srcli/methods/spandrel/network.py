"""A network of spandrel, which is built from its weights: they alone say its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from srcli.methods.spandrel import library

PURPOSES = ("SR", "Restoration")


class SpandrelNet(nn.Module):
    """A picture (1, 3, h, w) in [0, 1] to (1, 3, scale * h, scale * w), clipped.

    id: of the architecture, as spandrel calls it.
    scale: a whole number; 1 for networks that restore.
    """

    follows_weights = True

    def __init__(self, id: str, scale: int = 1) -> None:
        super().__init__()
        self.id, self.scale = id, scale
        self._run: Any = None

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Builds the network. Raises RuntimeError for weights that make none, or none that enlarges pictures."""
        try:
            made = library.load(self.id, state_dict)
        except (LookupError, ValueError, TypeError, AssertionError, AttributeError, ArithmeticError) as error:
            raise RuntimeError(f"its weights make no {self.id}: {error!s:.200}") from error
        if made.purpose not in PURPOSES:
            raise RuntimeError(f"a {self.id} is for {made.purpose}, not for single pictures of any kind")
        if (made.input_channels, made.output_channels) != (3, 3):
            raise RuntimeError(f"it takes {made.input_channels} channels and makes {made.output_channels}, not 3 and 3")
        self.scale, self._run, self.network = int(made.scale), made, made.model
        return nn.modules.module._IncompatibleKeys([], [])

    def forward(self, picture: Tensor) -> Tensor:
        kind = picture.device.type
        able = {torch.bfloat16: self._run.supports_bfloat16, torch.float16: self._run.supports_half}
        if torch.is_autocast_enabled(kind) and not able.get(torch.get_autocast_dtype(kind), True):
            with torch.autocast(kind, enabled=False):
                return self._run(picture.float())
        return self._run(picture).float()
