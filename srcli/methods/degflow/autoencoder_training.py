"""First stage of DegFlow: the autoencoder, which brings back a degraded picture with the help of the sharp one; and a
last one, its decoder beside the finished flow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from srcli import runtime
from srcli.flows.degradation_path import reconstruction_loss, time_of_scale
from srcli.flows.ode import Solver
from srcli.methods.degflow.autoencoder import FACTOR, Autoencoder
from srcli.methods.degflow.model import START, DegflowModel
from srcli.methods.degflow.network import NCSNpp
from srcli.training import losses
from srcli.training.data.levels import LevelBatch, LevelSpec
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import LevelTask, Logged, logged
from srcli.weights import store
from srcli.weights.model_files import load_part


class DegflowAETask(LevelTask[Autoencoder]):
    """A random level of each sample, the sharp one among them, by way of its latent and the skips of the sharp one:
    `l2`, the mean squared error in [-1, 1] (the published loss), `pixel` (L1), `periodic` (what repeats with the
    positions of the latent).

    `straight`, which needs three levels: how far the middle one's latent is from the line between the others at its
    scale, squared, as a share of that line's length squared. With it a fourth of what is decoded are points of that
    line, compared with the middle level: between levels, decoders make what nobody asked them for.

    recipe.options: `generated`, the share of samples whose latents are not those of their level, but where a finished
    flow (`flow`, a file) leads to from the sharp one. They lack what no photo tells, such as noise, and the decoder
    learns to do without. The encoder stays as it is then, and with it the flow fits.
    """

    kind = Autoencoder
    weighted = frozenset({"l2", "pixel", "periodic", "straight"})
    on_picture = weighted - {"straight"}
    options = frozenset({"generated"})

    def __init__(self, recipe: Recipe, network: Autoencoder, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        if recipe.crops.crop % FACTOR:
            raise RecipeError(f"recipe {recipe.name}: crops are multiples of {FACTOR} pixels, not {recipe.crops.crop}")
        levels = recipe.crops.levels if isinstance(recipe.crops, LevelSpec) else ()
        if self.weights.get("straight") and len(levels) != 3:
            raise RecipeError(f"recipe {recipe.name}: straight needs three levels")
        self.generated = recipe.options.get("generated", 0)
        if not isinstance(self.generated, int | float) or not 0 <= self.generated <= 1:
            raise RecipeError(f"recipe {recipe.name}: generated is a share from 0 to 1, not {self.generated!r}")
        if self.generated and self.weights.get("straight"):
            raise RecipeError(f"recipe {recipe.name}: straight changes the encoder, generated keeps it")
        if self.generated:
            self._take_flow(recipe, frozen)

    def _take_flow(self, recipe: Recipe, frozen: FrozenParts) -> None:
        path = frozen.find_flow("flow", "the decoder is trained beside a finished flow")
        loaded = load_part(path, "degflow", "flow")
        assert isinstance(loaded, NCSNpp)
        self.flow, self.belongs = loaded, store.encoder_digest(path)
        self.followers.append(loaded)
        try:
            align = DegflowModel(self.network, loaded).align
        except ValueError as error:
            raise RecipeError(f"recipe {recipe.name} and {path}: {error}") from None
        if recipe.crops.crop % align:
            raise RecipeError(f"recipe {recipe.name}: crops are multiples of {align} pixels, not {recipe.crops.crop}")
        self.origin["flow"] = store.tensors_sha256(loaded)
        self.network.encoder.requires_grad_(False)

    def check_start(self, weights: Path | None) -> None:
        """A decoder goes on from the autoencoder in whose latents its flow works."""
        if self.generated and weights is None:
            raise RecipeError("the decoder goes on from the autoencoder that the flow was trained with: --init FILE")
        if self.generated and self.belongs not in ("", store.tensors_sha256(self.network.encoder)):
            raise RecipeError(f"the flow was trained in the latents of another autoencoder than {weights}; --init that")

    def losses(self, batch: LevelBatch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.images.device)
        images, every = batch.images, torch.arange(batch.images.shape[1], device=batch.images.device)
        straight = self.weights.get("straight")
        if straight:
            level, made, bent = self._straight(batch, every)
        else:
            level, made = self._shown(batch, every)
        made, wanted = made.float() * 0.5 + 0.5, images[level, every]
        values = {"l2": reconstruction_loss(made, wanted)}
        if self.weights.get("pixel"):
            values["pixel"] = losses.pixel(made, wanted)
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(made, wanted, FACTOR, (4,))
        if straight:
            values["straight"] = bent
        yield "network", self.total(values, made), logged(values)

    def _shown(self, batch: LevelBatch, every: Tensor) -> tuple[Tensor, Tensor]:
        """A random level of each sample, and what is decoded, in [-1, 1]."""
        images = batch.images
        level = torch.randint(len(images), every.shape, device=every.device)
        with runtime.mixed(images.device):
            first, skips = self.network.encoder(images[0] * 2 - 1)
            z, _ = self.network.encoder(images[level, every] * 2 - 1)
            if self.generated:
                led = torch.rand(every.shape, device=every.device) < self.generated
                times = time_of_scale(batch.scales[level, every])
                z = torch.where(led.view(-1, 1, 1, 1), self._led(first.float(), times).to(z.dtype), z)
            return level, self.network.decoder(z, skips)

    @torch.no_grad()
    def _led(self, z: Tensor, times: Tensor) -> Tensor:
        """Where the flow leads to from latents of sharp crops, to a time of each."""
        flow, span = self.flow, times.clamp_min(START) - START

        def velocity(state: Tensor, share: float) -> Tensor:
            with torch.autocast(z.device.type, enabled=False):
                return span.view(-1, 1, 1, 1).double() * flow(state.float(), START + share * span).double()

        return Solver("rk4", 2)(velocity, z, 0.0, 1.0, [1.0]).states[-1].float()

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
    def made(self, network: Autoencoder, images: dict[int, Tensor]) -> dict[int, Tensor]:
        """Each level, (1, 3, H, W) in [0, 1], as it comes back; with `generated`, as the flow makes it."""
        hr, lower = images[1] * 2 - 1, [s for s in images if s > 1]
        if self.generated:
            model = DegflowModel(network, self.flow).to(hr.device)
            z, skips = network.encoder(hr)
            latents = {1: z} | dict(zip(lower, model.path(z, lower, model.solver), strict=True))
            return {s: network.decoder(z, skips) * 0.5 + 0.5 for s, z in latents.items()}
        with runtime.mixed(hr.device):
            return {s: network(image * 2 - 1, hr).float() * 0.5 + 0.5 for s, image in images.items()}
