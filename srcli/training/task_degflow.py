"""Second stage of DegFlow: the velocity along a spline through the latents of the known levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.metrics.trunks import load_trunk, read_weights
from srcli.networks.degflow_ae import Autoencoder
from srcli.networks.ncsnpp import NCSNpp
from srcli.networks.ode import Solver
from srcli.networks.spline import Spline, taylor
from srcli.pipelines.degflow import DegflowModel
from srcli.training.levels import LevelBatch
from srcli.training.losses import Perceptual
from srcli.training.recipe import Recipe, RecipeError
from srcli.weights import store
from srcli.weights.given import load_part

EDGE = 1e-5  # times stay so far from the ends


@dataclass(frozen=True, slots=True)
class Step:
    """What a step compares: velocity and the spline's derivative at the times, (B, latent, h, w), and the next known
    level, as a third-order step leads to it and as it is, (B, 3, H, W) in [-1, 1]."""

    velocity: Tensor
    derivative: Tensor
    decoded: Tensor
    following: Tensor


def step_at(network: nn.Module, autoencoder: Autoencoder, images: Tensor, t: Tensor) -> Step:
    """One step at times t (B,) from images (3, B, 3, H, W) in [-1, 1]: the levels 1, 2 and 4.

    Gradients reach the network from the velocity and, through the decoder, from the decoded picture.
    """
    levels, count = images.shape[:2]
    with torch.no_grad(), runtime.mixed(images.device):
        knots = autoencoder.encoder(images.flatten(0, 1))[0].float().unflatten(0, (levels, count))
        skips = autoencoder.encoder.skips(images[0])
    positions = autoencoder.positions().to(t)
    spline = Spline(knots, positions)
    jet, following = spline(t), spline.segment(t) + 1
    velocity = network(jet.value, t)  # float32: solvers ask for small differences
    reached = taylor(jet, velocity, positions[following] - t)
    with runtime.mixed(images.device):
        decoded = autoencoder.decoder(reached, skips)
    return Step(velocity, jet.first, decoded.float(), images[following, torch.arange(count, device=t.device)])


class DegflowTask:
    """`flow`: the squared error of the velocity; `decoded` (L1 in [0, 1]) and `perceptual`: how far the decoded step to
    the next level is from it.

    autoencoder: of the first stage, frozen. trunk: SqueezeNet 1.1 weights for the perceptual loss. recipe.options:
    `relative`, whether the error is told as a share of the spline's derivative, 1 for no velocity at all; the size of
    latents is the autoencoder's choice, and small ones would be drowned by the other losses.
    """

    kind = NCSNpp
    weighted = frozenset({"flow", "decoded", "perceptual"})
    options = frozenset({"relative"})

    def __init__(self, recipe: Recipe, network: NCSNpp, autoencoder: Path | None, trunk: Path | None) -> None:
        if autoencoder is None:
            raise RecipeError("the flow needs the autoencoder whose latents it moves: --autoencoder FILE")
        self.network, self.weights = network, recipe.loss
        self.relative = bool(recipe.options.get("relative"))
        self.networks: dict[str, nn.Module] = {"network": network}
        loaded = load_part(autoencoder, "degflow", "autoencoder")
        assert isinstance(loaded, Autoencoder)
        self.autoencoder, self.origin = loaded, {"autoencoder": store.sha256(autoencoder)}
        align = DegflowModel(loaded, network).align
        if recipe.crops.crop % align or getattr(recipe.crops, "levels", None) != (1, 2, 4):
            raise RecipeError(f"recipe {recipe.name}: crops are multiples of {align} pixels at the levels 1, 2 and 4")
        self.perceptual = None
        if self.weights.get("perceptual"):
            if trunk is None:
                raise RecipeError("the perceptual loss needs SqueezeNet 1.1 weights: --trunk FILE.safetensors")
            self.perceptual = Perceptual(load_trunk("squeeze", read_weights(trunk), str(trunk)))

    def losses(self, batch: LevelBatch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        device = batch.images.device
        self.autoencoder.to(device)
        t = EDGE + (1 - 2 * EDGE) * torch.rand(batch.images.shape[1], device=device)
        at = step_at(self.network, self.autoencoder, batch.images * 2 - 1, t)
        made, wanted = at.decoded * 0.5 + 0.5, at.following * 0.5 + 0.5
        values = {"flow": (at.velocity - at.derivative).square().mean()}
        if self.relative:
            values["flow"] = values["flow"] / (at.derivative.square().mean() + 1e-12)
        if self.weights.get("decoded"):
            values["decoded"] = (made - wanted).abs().mean()
        if self.perceptual is not None:
            self.perceptual.trunk.to(device)
            values["perceptual"] = self.perceptual(made, wanted).mean()
        total = torch.stack([self.weights.get(k, 0.0) * v for k, v in values.items()]).sum()
        yield "network", total, {k: v.item() for k, v in values.items()}

    @torch.inference_mode()
    def made(self, network: nn.Module, images: dict[int, Tensor]) -> dict[int, Tensor]:
        """The levels above 1, (1, 3, H, W) in [0, 1], generated from the sharp picture alone."""
        assert isinstance(network, NCSNpp)
        hr = images[1] * 2 - 1
        autoencoder = self.autoencoder.to(hr.device)
        with runtime.mixed(hr.device):
            z, skips = autoencoder.encoder(hr)
        scales = [s for s in images if s > 1]
        path = DegflowModel(autoencoder, network).path(z.float(), scales, Solver("rk4", 16))
        with runtime.mixed(hr.device):
            return {s: autoencoder.decoder(z, skips).float() * 0.5 + 0.5 for s, z in zip(scales, path, strict=True)}
