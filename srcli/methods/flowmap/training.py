"""Training of the flow map (FlowMapSR, Noble et al. 2026), in pixels: warm-up, self-distillation, guidance.

One task for three stages, which differ in the losses and options of their recipes. Time runs from the enlarged picture
to the sharp one in `srcli.flows.flow_maps`, the other way in the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from srcli.methods.flowmap.losses import MapLosses, Pair
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowmap.times import Jumps
from srcli.methods.flowmap.uncertainty import Uncertainty
from srcli.methods.flowsr.network import FOLD, VelocityNet
from srcli.methods.flowsr.training import check_flat
from srcli.tiling.model import Sampling
from srcli.training.data.degraded import DegradedBatch, DegradedSpec
from srcli.training.frozen import FrozenParts
from srcli.training.losses import WEAVE_WINDOWS
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Logged, N, PictureTask

WEIGHTED = frozenset({"flow", "map", "perceptual", "periodic", "weave", "flat"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions:
    """map_share: share of samples for the jumps; it grows from 0 over the first `ramp` steps: the network must know the
    velocity before it teaches itself. formulation, levels, start_share: see `Jumps`. guidance, bridge, power: see
    `MapLosses`, as judge_jumps. perceptual_floor: see `Perceptual`. flat: see `FlowsrOptions`.
    """

    formulation: str = "shortcut"
    levels: int = 4
    start_share: float = 0.2
    map_share: float = 0.25
    ramp: int = 500
    guidance: float = 1.0
    bridge: float = 0.0
    power: float = 0.5
    perceptual_floor: float = 0.0
    flat: float = 0.0
    judge_jumps: bool = False

    def __post_init__(self) -> None:
        if self.judge_jumps and self.formulation != "shortcut":
            raise RecipeError("judge_jumps is for the formulation shortcut")
        if not 0 <= self.map_share < 1:
            raise RecipeError(f"map_share goes from 0 to less than 1, not {self.map_share:g}")

    def count(self, batch: int, step: int) -> int:
        """How many of a batch are for the jumps: `map_share` of it in the mean."""
        share = self.map_share * min(1.0, step / max(1, self.ramp))
        return int(batch * share + torch.rand(()).item())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtOptions(MapOptions):
    """target_ema: of the network that makes the targets."""

    target_ema: float = 0.999


class MapTask(PictureTask[N]):
    """What the stages of a flow map have in common: their losses, weighted by an uncertainty."""

    sampling = Sampling()
    lr_factors: ClassVar = {"uncertainty": Uncertainty.lr_factor}

    def objective_of(self, recipe: Recipe, chosen: MapOptions, quality: bool, frozen: FrozenParts) -> MapLosses:
        """The losses of a recipe. quality: whether the network knows one. Raises RecipeError."""
        negatives = isinstance(recipe.crops, DegradedSpec) and recipe.crops.negative_share > 0
        if (negatives or chosen.guidance != 1) and not quality:
            raise RecipeError("guidance and negative samples need a network with quality = true in the [architecture]")
        check_flat(recipe.loss.get("flat"), chosen.flat)
        least = FOLD * max(WEAVE_WINDOWS)
        if recipe.loss.get("weave") and isinstance(recipe.crops, DegradedSpec) and recipe.crops.crop < least:
            raise RecipeError(f"the loss weave needs crops of at least {least} pixels, not {recipe.crops.crop}")
        return MapLosses(
            jumps=Jumps(chosen.formulation, chosen.levels, chosen.start_share),
            weights=recipe.loss,
            perceptual=self.perceptual_loss(frozen, chosen.perceptual_floor, chosen.flat),
            guidance=chosen.guidance,
            bridge=chosen.bridge,
            power=chosen.power,
            flat=chosen.flat,
            quality=quality,
            judge_jumps=chosen.judge_jumps,
        )


class FlowmapTask(MapTask[VelocityNet]):
    """Losses: `flow` on the diagonal, `map` for the jumps (0: stage 1), both weighted by their uncertainty;
    `perceptual`, `periodic` and `weave` (what repeats with the network's fold, of pictures and of their contrasts) and
    `flat` (L1 where the photo is flat) on the ends that the velocity points to.

    trunk: SqueezeNet 1.1 weights for the perceptual loss. The networks are the trained one, its moving average that
    makes the targets, and the uncertainty.
    """

    kind = VelocityNet
    weighted = WEIGHTED
    options = frozenset(f.name for f in fields(TaughtOptions))

    def __init__(self, recipe: Recipe, network: VelocityNet, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        if network.conditioned:
            raise RecipeError(f"recipe {recipe.name}: a flow map has no second input; leave out conditioned")
        self.name, self.chosen = recipe.name, TaughtOptions(**recipe.options)
        self.objective = self.objective_of(recipe, self.chosen, network.quality, frozen)
        self.jumps = bool(recipe.loss.get("map"))
        self.networks["uncertainty"] = Uncertainty()
        if self.jumps:
            self.add_target()

    def check_start(self, weights: Path | None) -> None:
        """Jumps are taught to a network that knows the velocity; guidance to one that knows what is negative."""
        if not self.jumps:
            return
        if weights is None:
            raise RecipeError(f"recipe {self.name} teaches jumps to a network that knows the velocity: --init FILE")
        if self.chosen.guidance != 1:
            check_negative(self.network, weights)

    def losses(self, batch: DegradedBatch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.hr.device)
        count = self.chosen.count(len(batch.hr), step) if self.jumps else 0
        teacher = self.networks["target"] if self.jumps else self.network
        uncertainty = self.networks["uncertainty"]
        assert isinstance(uncertainty, Uncertainty)
        terms = self.objective(self.network, teacher, Pair.of(batch, self.network.noise), count)
        total, values = self.objective.total(terms, uncertainty)
        yield "network", total, values
        # Over fewer steps at first: what the target has not yet seen of a stage, as guidance, no jump can learn.
        self.move_target(min(self.chosen.target_ema, (1 + step) / (10 + step)))
        yield "uncertainty", self.objective.of_uncertainty(terms, uncertainty), {}

    def pipeline(self, network: VelocityNet) -> FlowmapModel:
        return FlowmapModel(network)


def check_negative(network: VelocityNet, weights: Path) -> None:
    """Raise RecipeError where guidance does nothing, because the network does not know what is negative. weights: its
    file."""
    negative = network.times.negative
    if negative is None or not negative.any():
        raise RecipeError(
            f"{weights} has not learned what is negative, so guidance would do nothing; train flowmap-base"
        )
