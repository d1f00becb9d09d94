"""Training of the flow: likelihood of the residual, and its mean close to the photo."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from srcli.networks.build import build
from srcli.networks.linf import LINF, from_patches, to_patches
from srcli.training import losses
from srcli.training.data import Batch
from srcli.training.recipe import Recipe


class LinfTask:
    """NLL of the dequantised residual + pixel loss at temperature 0 + penalty on the patch grid, all at once."""

    def __init__(self, recipe: Recipe) -> None:
        network = build(recipe.architecture)
        assert isinstance(network, LINF)
        self.linf = network
        self.networks: dict[str, nn.Module] = {"network": network}
        self.weights = recipe.loss

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        flow, patch = self.linf.imnet, self.linf.patch
        with torch.autocast(batch.lr.device.type, torch.bfloat16):
            maps = self.linf.encode((batch.lr * 2 - 1).contiguous(memory_format=torch.channels_last))
            _, condition = self.linf.condition(self.linf.fourier(maps, batch.queries))
        residual = (batch.target - batch.base) * 2
        # Uniform noise of one 8-bit step: without it the likelihood of a flat area has no bound.
        noisy = residual + (torch.rand_like(residual) - 0.5) / 127.5
        mean = flow.inverse(condition.new_zeros(len(condition), flow.dim), condition)
        # The likelihood shapes the spread alone: through the mean it would ask for ever more digits in flat areas.
        log_p = flow.log_prob_around(rows(to_patches(noisy, patch)), mean.detach(), condition)
        sr = batch.base + from_patches(grid(mean, batch.queries.shape), patch) / 2
        values = {"nll": -log_p.mean() / flow.dim, "pixel": losses.pixel(sr, batch.target)}
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(sr, batch.target, patch)
        total = torch.stack([self.weights.get(k, 0.0) * v for k, v in values.items()]).sum()
        yield "network", total, {k: v.item() for k, v in values.items()}

    def pipeline(self, network: nn.Module):
        from srcli.pipelines.linf import LinfModel

        assert isinstance(network, LINF)
        return LinfModel(network)


def rows(patches: Tensor) -> Tensor:
    """(B, D, h, w) as (B * h * w, D), the order of queries."""
    return patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1])


def grid(values: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Inverse of `rows`."""
    return values.view(*shape, -1).permute(0, 3, 1, 2)
