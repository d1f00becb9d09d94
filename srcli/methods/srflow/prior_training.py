"""Training of SRFlow's learned prior: the flow is frozen, the picture made from the predicted latents is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli import runtime
from srcli.flows.learned_prior import latent_loss
from srcli.methods.srflow.model import FOLD, SRFlowModel, without_grid
from srcli.methods.srflow.network import SRFlow
from srcli.methods.srflow.prior import LevelPrior
from srcli.methods.srflow.training import dequantised, stacked
from srcli.metrics.trunks import load_trunk, read_weights
from srcli.networks.notch import Notch
from srcli.training import frozen, losses
from srcli.training.data.photos import Batch
from srcli.training.recipe import Recipe, RecipeError
from srcli.weights import store

LIMIT = 2.0  # pictures are judged within this distance from grey: what explodes has no useful gradient


class SRFlowPriorTask:
    """Perceptual and pixel losses of the picture, L1 between predicted latents and those of the photo (SRFlow-LP,
    eq. 8, lambda = 0.1), a mean over values of each level and then over levels, and `periodic`: what repeats with the
    flow's coarsest grid, which the eye sees as a weave and the others forgive.

    trunk: SqueezeNet 1.1 weights for the perceptual loss. The share of pictures with values that are not finite is
    logged as `not_finite`; those are left out of the step.
    """

    kind = LevelPrior
    weighted = frozenset({"pixel", "perceptual", "periodic", "latent"})
    options: frozenset[str] = frozenset()

    def __init__(self, recipe: Recipe, prior: LevelPrior, flow: str | None, trunk: Path | None) -> None:
        self.prior, self.weights = prior, recipe.loss
        self.networks: dict[str, nn.Module] = {"network": prior}
        path = frozen.find(flow, "flow", "a prior needs the flow it belongs to")
        network, self.origin = store.load_network(path), {"flow": store.sha256(path)}
        if not isinstance(network, SRFlow):
            raise RecipeError(f"{path} is not a SRFlow")
        if (list(prior.channels), network.RRDB.channels) != (network.latent_channels, prior.stem.in_channels):
            raise RecipeError(
                f"recipe {recipe.name}: {path} has latents of {network.latent_channels} channels "
                f"and features of {network.RRDB.channels}"
            )
        self.flow = network
        self.levels = network.flowUpsamplerNet.fold(inverse=True)
        self.notch = Notch(FOLD) if network.centred else None
        self.perceptual = None
        if self.weights.get("perceptual"):
            if trunk is None:
                raise RecipeError("the perceptual loss needs SqueezeNet 1.1 weights: --trunk FILE.safetensors")
            self.perceptual = losses.Perceptual(load_trunk("squeeze", read_weights(trunk), str(trunk)))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        self._follow(batch.lr.device)
        photos = stacked(batch, self.flow.scale)
        features, maps, base, wanted = self._frozen(batch.lr, photos)
        latents, sr = self._made(batch.lr, features, maps, base)
        finite = torch.isfinite(sr).flatten(1).all(1)
        share = 1 - finite.float().mean()
        if finite.any() and not finite.all():
            # Made again without those: zero times their infinite gradients would not be zero.
            features, base, photos = features[finite], base[finite], photos[finite]
            maps, wanted = [m[finite] for m in maps], [z[finite] for z in wanted]
            latents, sr = self._made(batch.lr[finite], features, maps, base)
        sr = sr.clamp(0.5 - LIMIT, 0.5 + LIMIT)
        values = {"latent": latent_loss(latents, wanted), "pixel": losses.pixel(sr, photos)}
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(sr, photos, 2 ** len(self.levels), (4, 6))
        if self.perceptual is not None:
            values["perceptual"] = self.perceptual(sr, photos).mean()
        total = torch.stack([self.weights.get(k, 0.0) * v for k, v in values.items()]).sum()
        yield "network", total, {k: v.item() for k, v in values.items()} | {"not_finite": share.item()}

    def _made(self, lr: Tensor, features: Tensor, maps: list[Tensor], base: Tensor) -> tuple[list[Tensor], Tensor]:
        """Predicted latents, and the picture that the flow makes of them, as the pipeline gives it."""
        with runtime.mixed(base.device):
            latents = self.prior(features)
            sr = base + self.flow.decode(latents, maps, self.levels)
        if self.notch is None:
            return latents, sr
        return latents, without_grid(sr, F.interpolate(lr, scale_factor=self.flow.scale, mode="bilinear"), self.notch)

    def pipeline(self, network: nn.Module):
        assert isinstance(network, LevelPrior)
        return SRFlowModel(self.flow, network)

    def _follow(self, device: torch.device) -> None:
        """The frozen parts go where the batch is; costs nothing once they are there."""
        if next(self.flow.parameters()).device != device:
            self.levels = self.flow.to(device).flowUpsamplerNet.fold(inverse=True)
        if self.notch is not None:
            self.notch.to(device)
        if self.perceptual is not None:
            self.perceptual.trunk.to(device)

    @torch.no_grad()
    def _frozen(self, lr: Tensor, photos: Tensor) -> tuple[Tensor, list[Tensor], Tensor, list[Tensor]]:
        """Features, what each level sees, the upsampling, and the latents of the photos."""
        with runtime.mixed(lr.device):
            features = self.flow.features(lr)
            maps = self.flow.maps(features)
            base = self.flow.base(lr, features) if self.flow.centred else torch.zeros_like(photos)
            wanted, _ = self.flow.encode(dequantised(photos) - base, maps, self.levels)
        return features, maps, base, wanted
