"""Training of SRFlow's learned prior: the flow is frozen, the picture made from the predicted latents is judged."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli import runtime
from srcli.flows.learned_prior import latent_loss
from srcli.methods.srflow.model import FOLD, SRFlowModel, without_grid
from srcli.methods.srflow.network import SRFlow
from srcli.methods.srflow.prior import LevelPrior
from srcli.methods.srflow.training import dequantised, stacked
from srcli.networks.notch import Notch
from srcli.training import losses
from srcli.training.data.photos import Batch
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Logged, PictureTask, logged
from srcli.weights import store

LIMIT = 2.0  # pictures are judged within this distance from grey: what explodes has no useful gradient


class SRFlowPriorTask(PictureTask[LevelPrior]):
    """Perceptual and pixel losses of the picture, L1 between predicted latents and those of the photo (SRFlow-LP,
    eq. 8, lambda = 0.1), a mean over values of each level and then over levels, and `periodic`: what repeats with the
    flow's coarsest grid, which the eye sees as a weave and the others forgive.

    trunk: SqueezeNet 1.1 weights for the perceptual loss. The share of pictures with values that are not finite is
    logged as `not_finite`; those are left out of the step.
    """

    kind = LevelPrior
    weighted = frozenset({"pixel", "perceptual", "periodic", "latent"})
    on_picture = weighted - {"latent"}

    def __init__(self, recipe: Recipe, network: LevelPrior, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        self.prior = network
        path = frozen.find_flow("flow", "a prior needs the flow it belongs to")
        flow, self.origin = store.load_network(path), {"flow": store.sha256(path)}
        if not isinstance(flow, SRFlow):
            raise RecipeError(f"{path} is not an SRFlow")
        if (list(network.channels), flow.RRDB.channels) != (flow.latent_channels, network.stem.in_channels):
            raise RecipeError(
                f"recipe {recipe.name}: {path} has latents of {flow.latent_channels} channels "
                f"and features of {flow.RRDB.channels}"
            )
        self.flow = flow
        self.levels = flow.flowUpsamplerNet.fold(inverse=True)
        self.notch = Notch(FOLD) if flow.centred else None
        self.followers += [] if self.notch is None else [self.notch]
        self.perceptual = self.perceptual_loss(frozen)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.lr.device)
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
        yield "network", self.total(values, sr), logged(values) | {"not_finite": share}

    def _made(self, lr: Tensor, features: Tensor, maps: list[Tensor], base: Tensor) -> tuple[list[Tensor], Tensor]:
        """Predicted latents, and the picture that the flow makes of them, as the pipeline gives it."""
        with runtime.mixed(base.device):
            latents = self.prior(features)
            sr = base + self.flow.decode(latents, maps, self.levels)
        if self.notch is None:
            return latents, sr
        return latents, without_grid(sr, F.interpolate(lr, scale_factor=self.flow.scale, mode="bilinear"), self.notch)

    def pipeline(self, network: LevelPrior) -> SRFlowModel:
        return SRFlowModel(self.flow, network)

    def follow(self, device: torch.device) -> None:
        """Folds the flow again where it moves."""
        super().follow(device)
        if next(self.flow.parameters()).device != device:
            self.levels = self.flow.to(device).flowUpsamplerNet.fold(inverse=True)

    @torch.no_grad()
    def _frozen(self, lr: Tensor, photos: Tensor) -> tuple[Tensor, list[Tensor], Tensor, list[Tensor]]:
        """Features, what each level sees, the upsampling, and the latents of the photos."""
        with runtime.mixed(lr.device):
            features = self.flow.features(lr)
            maps = self.flow.maps(features)
            base = self.flow.base(lr, features) if self.flow.centred else torch.zeros_like(photos)
            wanted, _ = self.flow.encode(dequantised(photos) - base, maps, self.levels)
        return features, maps, base, wanted
