"""Second stage of DegFlow: the velocity along a spline through the latents of the known levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.flows.degradation_path import Spline, taylor, time_of_scale, velocity_loss
from srcli.flows.ode import Solver
from srcli.methods.degflow.autoencoder import Autoencoder, Skips
from srcli.methods.degflow.model import DegflowModel
from srcli.methods.degflow.network import NCSNpp
from srcli.training.data.levels import LevelBatch, LevelSpec
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import LevelTask, Logged, logged
from srcli.weights import store
from srcli.weights.model_files import load_part

EDGE = 1e-5  # times stay so far from the ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step compares, at N times: velocity and the spline's derivative, (N, latent, h, w), and the next known
    level, of number `following` (N,), as a third-order step leads to it. skips: of the sharp crops."""

    velocity: Tensor
    derivative: Tensor
    reached: Tensor
    following: Tensor
    skips: Skips

    def decoded(self, autoencoder: Autoencoder) -> Tensor:
        """The next level as the step leads to it, at the first time of each of B crops: (B, 3, H, W) in [-1, 1]."""
        skips = self.skips
        with runtime.mixed(self.reached.device):
            return autoencoder.decoder(self.reached[: len(skips[0])], skips).float()


def step_at(
    network: nn.Module, autoencoder: Autoencoder, images: Tensor, t: Tensor, positions: Tensor | None = None
) -> Step:
    """One step from images (3, B, 3, H, W) in [-1, 1], three levels, at times t (N,), a multiple of B: the n-th is one
    of crop n % B. positions: where each crop's levels lie, (3, B); None for the levels 1, 2 and 4. Gradients reach the
    network from the velocity and what is decoded."""
    levels, count = images.shape[:2]
    with torch.no_grad(), runtime.mixed(images.device):
        latents, skips = autoencoder.encoder(images.flatten(0, 1))
    times = len(t) // count
    knots = latents.float().unflatten(0, (levels, count)).repeat(1, times, 1, 1, 1)
    spline = Spline(knots, autoencoder.positions().to(t) if positions is None else positions.repeat(1, times))
    jet, following = spline(t), spline.segment(t) + 1
    velocity = network(jet.value, t)  # float32: solvers ask for small differences
    reached = taylor(jet, velocity, spline.positions[following, torch.arange(len(t), device=t.device)] - t)
    f0, f1, f2 = (skip[:count] for skip in skips)  # of level 1, the first
    return Step(velocity=velocity, derivative=jet.first, reached=reached, following=following, skips=(f0, f1, f2))


class RunningMean(nn.Module):
    """Running mean of a quantity, of all its values at first, later of about the last 100. Part of a run's state."""

    mean: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, value: Tensor) -> Tensor:
        """The mean, with one value more."""
        self.seen += 1
        self.mean.lerp_(value, (1 / self.seen).clamp_min(0.01))
        return self.mean.clone()


class DegflowTask(LevelTask[NCSNpp]):
    """`flow`: the squared error of the velocity; `decoded` (L1 in [0, 1]) and `perceptual`: how far the decoded step to
    the next level is from it, which costs a decoder's passes and teaches little beside `flow`.

    autoencoder: of the first stage, frozen. trunk: SqueezeNet 1.1 weights for the perceptual loss. recipe.options:
    `relative`, whether the error is told as a share of the mean squared derivative of the spline, 1 for no velocity at
    all, since the size of latents is the autoencoder's choice; `times`, how many times are drawn for each crop, which
    cost less than to encode more crops.
    """

    kind = NCSNpp
    weighted = frozenset({"flow", "decoded", "perceptual"})
    options = frozenset({"relative", "times"})

    def __init__(self, recipe: Recipe, network: NCSNpp, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        if (path := frozen.autoencoder) is None:
            raise RecipeError("the flow needs the autoencoder whose latents it moves: --autoencoder FILE")
        self.times = int(recipe.options.get("times", 1))
        if self.times < 1:
            raise RecipeError(f"recipe {recipe.name}: times = {self.times}, but each crop needs one at least")
        self.scale = RunningMean() if recipe.options.get("relative") else None
        if self.scale is not None:
            self.networks["scale"] = self.scale
        loaded = load_part(path, "degflow", "autoencoder")
        assert isinstance(loaded, Autoencoder)
        self.autoencoder, self.origin = loaded, {"autoencoder": store.tensors_sha256(loaded.encoder)}
        self.followers.append(loaded)
        try:
            align = DegflowModel(loaded, network).align
        except ValueError as error:
            raise RecipeError(f"recipe {recipe.name} and {path}: {error}") from None
        crops = recipe.crops
        if not isinstance(crops, LevelSpec) or crops.crop % align or crops.levels != (1, 2, 4):
            raise RecipeError(f"recipe {recipe.name}: crops are multiples of {align} pixels at the levels 1, 2 and 4")
        self.shrunk = crops.shrink > 1
        self.perceptual = self.perceptual_loss(frozen)

    def losses(self, batch: LevelBatch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        device = batch.images.device
        self.follow(device)
        images = batch.images * 2 - 1
        t = EDGE + (1 - 2 * EDGE) * torch.rand(self.times * images.shape[1], device=device)
        positions = None
        if self.shrunk:
            positions = time_of_scale(batch.scales)
            t = t * positions[-1].repeat(self.times)
        at = step_at(self.network, self.autoencoder, images, t, positions)
        values = {"flow": velocity_loss(at.velocity, at.derivative)}
        if self.scale is not None:
            values["flow"] = values["flow"] / (self.scale(at.derivative.square().mean()) + 1e-12)
        if self.weights.get("decoded") or self.perceptual is not None:
            values |= self._decoded(at, batch.images)
        yield "network", self.total(values), logged(values)

    def _decoded(self, at: Step, images: Tensor) -> dict[str, Tensor]:
        """The losses of the next level; images: (3, B, 3, H, W) in [0, 1]."""
        values, count = {}, images.shape[1]
        made = at.decoded(self.autoencoder) * 0.5 + 0.5
        wanted = images[at.following[:count], torch.arange(count, device=images.device)]
        if self.weights.get("decoded"):
            values["decoded"] = (made - wanted).abs().mean()
        if self.perceptual is not None:
            values["perceptual"] = self.perceptual(made, wanted).mean()
        return values

    @torch.inference_mode()
    def made(self, network: NCSNpp, images: dict[int, Tensor]) -> dict[int, Tensor]:
        """The levels, (1, 3, H, W) in [0, 1], generated from the sharp picture alone; level 1 from its own latent."""
        hr = images[1] * 2 - 1
        autoencoder = self.autoencoder.to(hr.device)
        with runtime.mixed(hr.device):
            z, skips = autoencoder.encoder(hr)
        scales = [s for s in images if s > 1]
        path = DegflowModel(autoencoder, network).path(z.float(), scales, Solver("rk4", 16))
        with runtime.mixed(hr.device):
            latents = {1: z} | dict(zip(scales, path, strict=True))
            return {s: autoencoder.decoder(z, skips).float() * 0.5 + 0.5 for s, z in latents.items()}
