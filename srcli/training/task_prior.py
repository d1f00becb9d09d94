"""Training of the learned prior: the flow is frozen, the picture made from the predicted latent is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from srcli.metrics.trunks import load_trunk, read_weights
from srcli.networks.build import build
from srcli.networks.discriminator import PatchDiscriminator
from srcli.networks.flow import FixedFlow
from srcli.networks.grid_prior import GridPrior
from srcli.networks.linf import LINF, from_patches, to_patches
from srcli.training import losses
from srcli.training.data import Batch
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task_linf import grid, rows
from srcli.weights import manifest, store


class PriorTask:
    """Pixel + perceptual + patch-grid losses, optional latent L1 and a small discriminator.

    trunk: SqueezeNet 1.1 weights for the perceptual loss. recipe.options: `perceptual_fade` (the perceptual weight is
    divided by (scale / 2) ** fade: at large scales texture is guesswork and pixels should count more),
    `adversary_start` (a step).
    """

    def __init__(self, recipe: Recipe, flow: str | None, trunk: Path | None) -> None:
        prior = build(recipe.architecture)
        assert isinstance(prior, GridPrior)
        self.prior, self.weights, self.options = prior, recipe.loss, recipe.options
        self.networks: dict[str, nn.Module] = {"network": prior}
        self.linf = load_flow(flow)
        self.fixed = FixedFlow(self.linf.imnet)
        self.perceptual = None
        if self.weights.get("perceptual"):
            if trunk is None:
                raise RecipeError("the perceptual loss needs SqueezeNet 1.1 weights: --trunk FILE.safetensors")
            self.perceptual = losses.Perceptual(load_trunk("squeeze", read_weights(trunk), str(trunk)))
        self.discriminator = PatchDiscriminator()
        if self.weights.get("adversary"):
            self.networks["discriminator"] = self.discriminator

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        self._follow(batch.lr.device)
        patch, shape = self.linf.patch, batch.queries.shape
        z_lr, hidden, mean, scales = self._frozen(batch)
        with torch.autocast(batch.lr.device.type, torch.bfloat16):
            z = rows(self.prior(grid(z_lr, shape), grid(hidden, shape), batch.queries.cell))
        sr = batch.base + from_patches(grid(mean + self.fixed.spread(z, scales), shape), patch) / 2
        values = {
            "pixel": losses.pixel(sr, batch.target),
            "periodic": losses.patch_periodic(sr, batch.target, patch, (4, 6)),
            "latent": self._latent_loss(z, batch, mean, scales),
        }
        if self.perceptual is not None:
            fade = (batch.scale / 2).clamp_min(1) ** -self.options.get("perceptual_fade", 0.0)
            values["perceptual"] = (self.perceptual(sr, batch.target) * fade).mean()
        adversarial = "discriminator" in self.networks and step >= self.options.get("adversary_start", 0)
        if adversarial:
            self.discriminator.requires_grad_(False)
            values["adversary"] = losses.relativistic_pair(self._judge(sr, batch), self._judge(batch.target, batch))
        total = torch.stack([self.weights.get(k, 0.0) * v for k, v in values.items()]).sum()
        logged = {k: v.item() for k, v in values.items()}
        if "discriminator" in self.networks:  # the same columns before it starts
            logged = {"adversary": 0.0, "discriminator": 0.0} | logged
        yield "network", total, logged
        if adversarial:
            self.discriminator.requires_grad_(True)
            real, fake = self._judge(batch.target, batch), self._judge(sr.detach(), batch)
            loss = losses.relativistic_pair(real, fake)
            yield "discriminator", loss, {"discriminator": loss.item()}

    def pipeline(self, network: nn.Module):
        from srcli.pipelines.linf import LinfModel

        assert isinstance(network, GridPrior)
        return LinfModel(self.linf, network)

    def _follow(self, device: torch.device) -> None:
        """The frozen parts go where the batch is; costs nothing once they are there."""
        self.linf.to(device)
        self.fixed.to(device)
        if self.perceptual is not None:
            self.perceptual.trunk.to(device)

    @torch.no_grad()
    def _frozen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Initial latent, hidden activations, mean and scales of every query, rows in the order of the queries."""
        with torch.autocast(batch.lr.device.type, torch.bfloat16):
            maps = self.linf.encode((batch.lr * 2 - 1).contiguous(memory_format=torch.channels_last))
            hidden, condition = self.linf.condition(self.linf.fourier(maps, batch.queries))
        scales = self.fixed.scales(condition)
        mean = self.fixed.mean(condition, scales)
        z_lr = self.fixed.latent(rows(to_patches(batch.detail * 2, self.linf.patch)) - mean, scales)
        return z_lr, hidden, mean, scales

    def _latent_loss(self, z: Tensor, batch: Batch, mean: Tensor, scales: Tensor) -> Tensor:
        """L1 to the latent of the photo."""
        if not self.weights.get("latent"):
            return z.new_zeros(())
        with torch.no_grad():
            residual = rows(to_patches((batch.target - batch.base) * 2, self.linf.patch))
            wanted = self.fixed.latent(residual - mean, scales)
        return (z - wanted).abs().mean()

    def _judge(self, image: Tensor, batch: Batch) -> Tensor:
        with torch.autocast(image.device.type, torch.bfloat16):
            return self.discriminator(image, batch.base).float()


def load_flow(name: str | None) -> LINF:
    """A frozen flow: the flow of a model in the manifest, or exported weights."""
    if name is None:
        raise RecipeError("a prior needs the flow it belongs to: --flow NAME or --flow FILE.safetensors")
    path = Path(name) if name.endswith(".safetensors") else store.locate(manifest.load().find(name).parts["flow"])
    network = store.load_network(path)
    if not isinstance(network, LINF):
        raise RecipeError(f"{path} is not a flow")
    return network
