"""Training of the learned prior: the flow is frozen, the picture made from the predicted latent is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srcli import runtime
from srcli.methods.linf.flow import FixedFlow
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.network import LINF
from srcli.methods.linf.prior import GridPrior
from srcli.methods.linf.queries import Queries
from srcli.methods.linf.training import encode, queries_of, upsampled
from srcli.networks.discriminator import PatchDiscriminator
from srcli.networks.notch import Notch
from srcli.networks.patches import from_patches, grid, rows
from srcli.training import losses
from srcli.training.data.photos import Batch
from srcli.training.data.prefetch import sent
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Logged, PictureTask, logged
from srcli.weights import store


class PriorTask(PictureTask[GridPrior]):
    """Pixel + perceptual + patch-grid losses, optionally with a small discriminator.

    trunk: SqueezeNet 1.1 weights for the perceptual loss. recipe.options: `perceptual_at` (pairs of a scale and a
    factor of the perceptual weight there, interpolated: how much texture is guesswork depends on the scale),
    `adversary_start` (a step), `margin` (patches on each side of a window that are not judged: zeros from beyond it
    reach into them, and pictures have none).
    """

    kind = GridPrior
    weighted = on_picture = frozenset({"pixel", "periodic", "perceptual", "adversary"})
    options = frozenset({"perceptual_at", "adversary_start", "margin"})

    def __init__(self, recipe: Recipe, network: GridPrior, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        self.prior, self.chosen = network, recipe.options
        path = frozen.find_flow("flow", "a prior needs the flow it belongs to")
        self.linf, self.origin = load_flow(path), {"flow": store.sha256(path)}
        self.fixed, self.notch = FixedFlow(self.linf.imnet), Notch(self.linf.patch)
        self.followers += [self.linf, self.fixed, self.notch]
        self.perceptual = self.perceptual_loss(frozen)
        self.discriminator: PatchDiscriminator | None = None
        if self.weights.get("adversary"):
            self.networks["discriminator"] = self.discriminator = PatchDiscriminator()

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.lr.device)
        if not batch.windows:
            raise RecipeError("a prior is trained in windows; the recipe has none")
        patch, queries = self.linf.patch, queries_of(batch, self.linf.patch)
        shape, target = queries.shape, batch.cut(batch.photos)
        base, hidden, stretched = self._frozen(batch, queries)
        with runtime.mixed(batch.lr.device):
            z = rows(self.prior(grid(hidden, shape), queries.cell))
        residual = self.notch(self.fixed.inverse(z, stretched).view(*shape, -1)).permute(0, 3, 1, 2)
        sr = base + from_patches(residual, patch) / 2
        if margin := int(self.chosen.get("margin", 0)) * patch:
            sr, base, target = (image[..., margin:-margin, margin:-margin] for image in (sr, base, target))
        values = {
            "pixel": losses.pixel(sr, target),
            "periodic": losses.patch_periodic(sr, target, patch, (4, 6)),
        }
        if self.perceptual is not None:
            scales, factors = zip(*self.chosen.get("perceptual_at", [(1.0, 1.0)]), strict=True)
            factor = sent(torch.from_numpy(np.interp(batch.scale, scales, factors)).to(sr.dtype), str(sr.device))
            values["perceptual"] = (self.perceptual(sr, target) * factor).mean()
        judge = self.discriminator if step >= self.chosen.get("adversary_start", 0) else None

        def judged(image: Tensor) -> Tensor:
            assert judge is not None
            with runtime.mixed(image.device):
                return judge(image, base).float()

        if judge is not None:
            judge.requires_grad_(False)
            values["adversary"] = losses.relativistic_pair(judged(sr), judged(target))
        named: Logged = (
            {"adversary": 0.0, "discriminator": 0.0} if self.discriminator is not None else {}
        )  # before it starts
        yield "network", self.total(values, sr), named | logged(values)
        if judge is not None:
            judge.requires_grad_(True)
            loss = losses.relativistic_pair(judged(target), judged(sr.detach()))
            yield "discriminator", loss, {"discriminator": loss.detach()}

    def pipeline(self, network: GridPrior) -> LinfModel:
        return LinfModel(self.linf, network)

    @torch.no_grad()
    def _frozen(self, batch: Batch, queries: Queries) -> tuple[Tensor, Tensor, Tensor]:
        """Windows of the upsampling; hidden activations and stretched condition, rows in the order of the queries."""
        with runtime.mixed(batch.lr.device):
            features = encode(self.linf, batch.lr)
            hidden, condition = self.linf.condition(self.linf.fourier(self.linf.waves(features), queries))
        return batch.cut(upsampled(self.linf, features, batch)), hidden, self.fixed.stretch(condition)


def load_flow(path: Path) -> LINF:
    """A frozen flow from its exported weights."""
    network = store.load_network(path)
    if not isinstance(network, LINF):
        raise RecipeError(f"{path} is not a flow")
    return network
