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
    positions of the latent).

    `straight`, which needs three levels: how far the middle one's latent is from the line between the others at its
    scale, squared, as a share of that line's length squared. With it a fourth of what is decoded are points of that
    line, compared with the middle level: between levels, decoders make what nobody asked them for.
    """

    kind = Autoencoder
    weighted = frozenset({"l2", "pixel", "periodic", "straight"})
    options: frozenset[str] = frozenset()

    def __init__(self, recipe: Recipe, network: Autoencoder) -> None:
        if recipe.crops.crop % FACTOR:
            raise RecipeError(f"recipe {recipe.name}: crops are multiples of {FACTOR} pixels, not {recipe.crops.crop}")
        self.network, self.weights = network, recipe.loss
        if self.weights.get("straight") and len(getattr(recipe.crops, "levels", ())) != 3:
            raise RecipeError(f"recipe {recipe.name}: straight needs three levels")
        self.networks: dict[str, nn.Module] = {"network": network}
        self.origin: dict[str, str] = {}

    def losses(self, batch: LevelBatch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        images, every = batch.images, torch.arange(batch.images.shape[1], device=batch.images.device)
        straight = self.weights.get("straight")
        if straight:
            level, made, bent = self._straight(batch, every)
        else:
            level = torch.randint(len(images), every.shape, device=every.device)
            with runtime.mixed(images.device):
                made = self.network(images[level, every] * 2 - 1, images[0] * 2 - 1)
        made, wanted = made.float() * 0.5 + 0.5, images[level, every]
        values = {"l2": 4 * (made - wanted).square().mean()}
        if self.weights.get("pixel"):
            values["pixel"] = losses.pixel(made, wanted)
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(made, wanted, FACTOR, (4,))
        if straight:
            values["straight"] = bent
        total = torch.stack([self.weights.get(k, 0.0) * v for k, v in values.items()]).sum()
        yield "network", total, {k: v.item() for k, v in values.items()}

    def _straight(self, batch: LevelBatch, every: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which level each sample is compared with, what is decoded in [-1, 1], and how far from the line its latents
        are."""
        images = batch.images
        with runtime.mixed(images.device):
            latents, skips = self.network.encoder(images.flatten(0, 1) * 2 - 1)
            first, middle, last = latents.unflatten(0, images.shape[:2])
            share = (batch.scales[1] - 1) / (batch.scales[2] - 1)
            line = torch.lerp(first.float(), last.float(), share.view(-1, 1, 1, 1)).to(first.dtype)
            chosen = torch.randint(4, every.shape, device=every.device)
            shown = torch.stack([first, middle, last, line])[chosen, every]
            f0, f1, f2 = (skip[: len(every)] for skip in skips)  # of the sharp ones, the first
            made = self.network.decoder(shown, (f0, f1, f2))
        length = (last.float() - first.float()).square().mean()
        bent = (middle.float() - line.float()).square().mean() / (length + 1e-12)
        return torch.where(chosen == 3, 1, chosen), made, bent

    @torch.inference_mode()
    def made(self, network: nn.Module, images: dict[int, Tensor]) -> dict[int, Tensor]:
        """Each level, (1, 3, H, W) in [0, 1], as it comes back."""
        hr = images[1] * 2 - 1
        with runtime.mixed(hr.device):
            return {s: network(image * 2 - 1, hr).float() * 0.5 + 0.5 for s, image in images.items()}
