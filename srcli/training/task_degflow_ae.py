"""First stage of DegFlow: the autoencoder, which brings back a degraded picture with the help of the sharp one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.networks.degflow_ae import FACTOR, Autoencoder
from srcli.training import losses
from srcli.training.levels import LevelBatch
from srcli.training.recipe import Recipe, RecipeError


class DegflowAETask:
    """A random level of each sample, the sharp one among them, by way of its latent and the skips of the sharp one:
    `l2`, the mean squared error in [-1, 1] (the published loss), `pixel` (L1), `periodic` (what repeats with the
    positions of the latent)."""

    kind = Autoencoder
    weighted = frozenset({"l2", "pixel", "periodic"})
    options: frozenset[str] = frozenset()

    def __init__(self, recipe: Recipe, network: Autoencoder) -> None:
        if recipe.crops.crop % FACTOR:
            raise RecipeError(f"recipe {recipe.name}: crops are multiples of {FACTOR} pixels, not {recipe.crops.crop}")
        self.network, self.weights = network, recipe.loss
        self.networks: dict[str, nn.Module] = {"network": network}
        self.origin: dict[str, str] = {}

    def losses(self, batch: LevelBatch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        images = batch.images
        count = images.shape[1]
        level = torch.randint(len(images), (count,), device=images.device)
        wanted = images[level, torch.arange(count, device=images.device)]
        with runtime.mixed(images.device):
            made = self.network(wanted * 2 - 1, images[0] * 2 - 1)
        made = made.float() * 0.5 + 0.5
        values = {"l2": 4 * (made - wanted).square().mean()}
        if self.weights.get("pixel"):
            values["pixel"] = losses.pixel(made, wanted)
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(made, wanted, FACTOR, (4,))
        total = torch.stack([self.weights.get(k, 0.0) * v for k, v in values.items()]).sum()
        yield "network", total, {k: v.item() for k, v in values.items()}

    @torch.inference_mode()
    def made(self, network: nn.Module, images: dict[int, Tensor]) -> dict[int, Tensor]:
        """Each level, (1, 3, H, W) in [0, 1], as it comes back."""
        hr = images[1] * 2 - 1
        with runtime.mixed(hr.device):
            return {s: network(image * 2 - 1, hr).float() * 0.5 + 0.5 for s, image in images.items()}
