"""Training of the flow map (FlowMapSR, Noble et al. 2026), in pixels: warm-up, self-distillation, guidance.

One task for three stages, which differ in the losses and options of their recipes. Time runs from the enlarged picture
to the sharp one in `srcli.flows.flow_maps`, the other way in the network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from srcli.methods.flowmap.losses import MapLosses, Pair
from srcli.methods.flowmap.times import Jumps
from srcli.methods.flowmap.uncertainty import Uncertainty
from srcli.methods.flowsr.network import FOLD, VelocityNet
from srcli.methods.flowsr.training import check_flat
from srcli.metrics.trunks import load_trunk, read_weights
from srcli.training.data.degraded import DegradedBatch, DegradedSpec
from srcli.training.losses import WEAVE_WINDOWS, Perceptual
from srcli.training.recipe import Recipe, RecipeError

WEIGHTED = frozenset({"flow", "map", "perceptual", "periodic", "weave", "flat"})


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class TaughtOptions(MapOptions):
    """target_ema: of the network that makes the targets."""

    target_ema: float = 0.999


class FlowmapTask:
    """Losses: `flow` on the diagonal, `map` for the jumps (0: stage 1), both weighted by their uncertainty;
    `perceptual`, `periodic` and `weave` (what repeats with the network's fold, of pictures and of their contrasts) and
    `flat` (L1 where the photo is flat) on the ends that the velocity points to.

    trunk: SqueezeNet 1.1 weights for the perceptual loss. The networks are the trained one, its moving average that
    makes the targets, and the uncertainty.
    """

    kind = VelocityNet
    weighted = WEIGHTED
    options = frozenset(f.name for f in fields(TaughtOptions))

    def __init__(self, recipe: Recipe, network: VelocityNet, flow: str | None, trunk: Path | None) -> None:
        if network.conditioned:
            raise RecipeError(f"recipe {recipe.name}: a flow map has no second input; leave out conditioned")
        self.name, self.chosen, self.network = recipe.name, TaughtOptions(**recipe.options), network
        self.objective = objective(recipe, self.chosen, trunk, network.quality)
        self.jumps = bool(recipe.loss.get("map"))
        self.networks: dict[str, nn.Module] = {"network": network, "uncertainty": Uncertainty()}
        if self.jumps:
            self.networks["target"] = copy.deepcopy(network).requires_grad_(False)
        self.origin: dict[str, str] = {}

    def check_start(self, weights: Path | None) -> None:
        """Raise RecipeError where nothing can be learned from the weights that the network begins with; None: random
        ones."""
        if not self.jumps:
            return
        if weights is None:
            raise RecipeError(f"recipe {self.name} teaches jumps to a network that knows the velocity: --init FILE")
        if self.chosen.guidance != 1:
            check_negative(self.network, weights)

    def losses(self, batch: DegradedBatch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        if self.objective.perceptual is not None:
            self.objective.perceptual.trunk.to(batch.hr.device)
        count = self.chosen.count(len(batch.hr), step) if self.jumps else 0
        teacher = self.networks["target"] if self.jumps else self.network
        uncertainty = self.networks["uncertainty"]
        assert isinstance(uncertainty, Uncertainty)
        terms = self.objective(self.network, teacher, Pair.of(batch, self.network.noise), count)
        total, values = self.objective.total(terms, uncertainty)
        yield "network", total, values
        self._follow_network(step)
        yield "uncertainty", self.objective.of_uncertainty(terms, uncertainty), {}

    @torch.no_grad()
    def _follow_network(self, step: int) -> None:
        """The target network is a moving average of the trained one, over fewer steps at first: what it has not yet
        seen of a stage, as guidance, no jump can learn."""
        if self.jumps:
            decay = min(self.chosen.target_ema, (1 + step) / (10 + step))
            for slow, fast in zip(self.networks["target"].parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    def pipeline(self, network: nn.Module):
        from srcli.methods.flowmap.model import FlowmapModel

        assert isinstance(network, VelocityNet)
        return FlowmapModel(network)


def check_negative(network: VelocityNet, weights: Path) -> None:
    """Raise RecipeError where guidance does nothing, because the network does not know what is negative. weights: its
    file."""
    negative = network.times.negative
    if negative is None or not negative.any():
        raise RecipeError(
            f"{weights} has not learned what is negative, so guidance would do nothing; train flowmap-base"
        )


def objective(recipe: Recipe, chosen: MapOptions, trunk: Path | None, quality: bool) -> MapLosses:
    """The losses of a recipe. quality: whether the network knows one."""
    negatives = isinstance(recipe.crops, DegradedSpec) and recipe.crops.negative_share > 0
    if (negatives or chosen.guidance != 1) and not quality:
        raise RecipeError("guidance and negative samples need a network with quality = true in the [architecture]")
    check_flat(recipe.loss.get("flat"), chosen.flat)
    least = FOLD * max(WEAVE_WINDOWS)
    if recipe.loss.get("weave") and isinstance(recipe.crops, DegradedSpec) and recipe.crops.crop < least:
        raise RecipeError(f"the loss weave needs crops of at least {least} pixels, not {recipe.crops.crop}")
    perceptual = None
    if recipe.loss.get("perceptual"):
        if trunk is None:
            raise RecipeError("the perceptual loss needs SqueezeNet 1.1 weights: --trunk FILE.safetensors")
        features = load_trunk("squeeze", read_weights(trunk), str(trunk))
        perceptual = Perceptual(features, chosen.perceptual_floor, chosen.flat)
    return MapLosses(
        Jumps(chosen.formulation, chosen.levels, chosen.start_share), recipe.loss, perceptual, chosen.guidance,
        chosen.bridge, chosen.power, chosen.flat, quality, chosen.judge_jumps,
    )  # fmt: skip
