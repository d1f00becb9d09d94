"""Training of SRFlow: its upsampling first, then the likelihood of photos."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from srcli import runtime
from srcli.flows.normalizing import change_of_variables, negative_log_likelihood
from srcli.methods.srflow.model import SRFlowModel
from srcli.methods.srflow.network import SRFlow
from srcli.training import losses
from srcli.training.data.photos import Batch
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Logged, PictureTask, logged


class SRFlowTask(PictureTask[SRFlow]):
    """Negative log-likelihood in nats per value, and L1 of the upsampling that a centred flow is centred on.

    recipe.options: `log_square_from` (step from which the logarithm of the squared error takes the place of L1),
    `features_from` (step from which the RRDB and the upsampling learn too; before, only the flow and the layers that
    double its features' size), `noise` (of dequantisation, in steps of 8 bits, 1 by default: more keeps flat areas from
    making the inverse steep).
    """

    kind = SRFlow
    weighted = frozenset({"upsampling", "nll"})
    options = frozenset({"log_square_from", "features_from", "noise"})

    def __init__(self, recipe: Recipe, network: SRFlow, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        self.flow, self.chosen = network, recipe.options
        if not network.centred and self.weights.get("upsampling"):
            raise RecipeError(f"recipe {recipe.name}: a flow that is not centred has no upsampling to train")
        self.ready = False  # whether the norms have seen data

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        photos, values = stacked(batch, self.flow.scale), {}
        learns = torch.is_grad_enabled() and step >= self.chosen.get("features_from", 0)
        with torch.set_grad_enabled(learns), runtime.mixed(batch.lr.device):
            features = self.flow.features(batch.lr)
            base = self.flow.base(batch.lr, features) if self.flow.centred else torch.zeros_like(photos)
        if self.weights.get("upsampling"):
            judge = losses.log_square if step >= self.chosen.get("log_square_from", step + 1) else losses.pixel
            values["upsampling"] = judge(base, photos)
        if self.weights.get("nll"):
            values["nll"] = self._nll(dequantised(photos, self.chosen.get("noise", 1.0)) - base, features)
        yield "network", self.total(values), logged(values)

    def _nll(self, picture: Tensor, features: Tensor) -> Tensor:
        with runtime.mixed(picture.device):
            maps = self.flow.maps(features)
        if not self.ready:
            if not _seen_data(self.flow):
                self.flow.initialise(picture, maps)
            self.ready = True
        with runtime.mixed(picture.device):
            latents, log_det = self.flow.encode(picture, maps)
        return negative_log_likelihood(change_of_variables(latents[-1], log_det), picture[0].numel())

    def pipeline(self, network: SRFlow) -> SRFlowModel:
        return SRFlowModel(network)


def stacked(batch: Batch, scale: int) -> Tensor:
    """The photos of a batch as one tensor (B, 3, scale * crop, scale * crop)."""
    side = scale * batch.lr.shape[-1]
    if batch.lr.shape[-1] % 2 or any(photo.shape[-1] != side for photo in batch.photos):
        raise RecipeError(
            f"SRFlow wants even crops at scale {scale} alone, from photos of {side} pixels a side or more"
        )
    return torch.stack(batch.photos)


def dequantised(photos: Tensor, steps: float = 1.0) -> Tensor:
    """With uniform noise of that many 8-bit steps: without it the likelihood of a flat area has no bound."""
    return photos + (torch.rand_like(photos) - 0.5) * (steps / 255)


def _seen_data(flow: SRFlow) -> bool:
    return any(bool(p.any()) for name, p in flow.named_parameters() if name.endswith("actnorm.bias"))
