"""Training of the flow: the upsampling close to the photo, the likelihood of what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from srcli import runtime
from srcli.flows.normalizing import negative_log_likelihood
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.network import LINF
from srcli.methods.linf.queries import Queries, window_queries
from srcli.networks.patches import from_patches, grid, rows, to_patches
from srcli.training import losses
from srcli.training.data.photos import Batch
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe
from srcli.training.task import Logged, PictureTask, logged

Judge = Callable[[Tensor, Tensor], Tensor]


class LinfTask(PictureTask[LINF]):
    """`upsampling`: pixel loss of the whole crops without the flow. In the windows: `nll`, of the dequantised residual;
    for flows with a mean of their own also `pixel`, the loss of the picture at temperature 0, and `periodic`, its
    penalty on the patch grid.

    recipe.options: `frozen`, whether encoder and upsampling stay as they are; `log_square_from`, the step from which
    `upsampling` and `pixel` are logarithms of the squared error, which is what PSNR asks for, instead of L1.
    """

    kind = LINF
    weighted = frozenset({"upsampling", "pixel", "periodic", "nll"})
    options = frozenset({"frozen", "log_square_from"})

    def __init__(self, recipe: Recipe, network: LINF, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        self.linf = network
        self.log_square_from = recipe.options.get("log_square_from", math.inf)
        if recipe.options.get("frozen"):
            for part in (network.encoder, network.anchors):
                part.requires_grad_(False)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        with runtime.mixed(batch.lr.device):
            features = encode(self.linf, batch.lr)
        pictures = upsampled(self.linf, features, batch)
        judge = losses.log_square if step >= self.log_square_from else losses.pixel
        values = {}
        if self.weights.get("upsampling"):
            values["upsampling"] = mean_of(judge, pictures, batch.photos)
        if batch.windows:
            values |= self._window_losses(batch, features, batch.cut(pictures), judge)
        yield "network", self.total(values), logged(values)

    def _window_losses(self, batch: Batch, features: Tensor, base: Tensor, judge: Judge) -> dict[str, Tensor]:
        flow, patch, target = self.linf.imnet, self.linf.patch, batch.cut(batch.photos)
        queries = queries_of(batch, patch)
        with runtime.mixed(batch.lr.device):
            _, condition = self.linf.condition(self.linf.fourier(self.linf.waves(features), queries))
        residual = (target - base.detach()) * 2
        # Uniform noise of one 8-bit step: without it the likelihood of a flat area has no bound.
        noisy = residual + (torch.rand_like(residual) - 0.5) / 127.5
        _, log_p = flow(rows(to_patches(noisy, patch)), condition)
        values = {"nll": negative_log_likelihood(log_p, flow.dim)}
        if flow.centred:
            return values
        mean = flow.inverse(condition.new_zeros(len(condition), flow.dim), condition)
        sr = base + from_patches(grid(mean, queries.shape), patch) / 2
        return values | {"pixel": mean_of(judge, sr, target), "periodic": losses.patch_periodic(sr, target, patch)}

    def pipeline(self, network: LINF) -> LinfModel:
        return LinfModel(network)


def mean_of(judge: Judge, pictures: Iterable[Tensor], photos: Iterable[Tensor]) -> Tensor:
    """The mean over pairs of pictures, each judged alone."""
    return torch.stack([judge(sr, photo) for sr, photo in zip(pictures, photos, strict=True)]).mean()


def queries_of(batch: Batch, patch: int) -> Queries:
    """Queries of the patches in a batch's windows, on its device."""
    low = (batch.lr.shape[-2], batch.lr.shape[-1])
    return window_queries(batch.windows, batch.side, patch, batch.photos, low).to(batch.lr.device)


def encode(linf: LINF, lr: Tensor) -> Tensor:
    """Features of LR crops in [0, 1]."""
    return linf.encoder((lr * 2 - 1).contiguous(memory_format=torch.channels_last))


def upsampled(linf: LINF, features: Tensor, batch: Batch) -> list[Tensor]:
    """The crops at the size of their photos, without the flow."""
    sizes = [(photo.shape[-2], photo.shape[-1]) for photo in batch.photos]
    with runtime.mixed(batch.lr.device):
        residuals = linf.anchors(features, [int(k) for k in linf.anchors])
    return [
        linf.anchors.picture(batch.lr[i : i + 1], {k: r[i : i + 1] for k, r in residuals.items()}, size)[0]
        for i, size in enumerate(sizes)
    ]
