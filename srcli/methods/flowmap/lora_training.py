"""The last stage of the flow map: a LoRA of the frozen network, for pictures that pass for photos."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from srcli import runtime
from srcli.flows import flow_maps as flow_map
from srcli.methods.flowmap.lora import Lora
from srcli.methods.flowmap.losses import Directed, Pair
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowmap.training import WEIGHTED, MapOptions, MapTask, check_negative
from srcli.methods.flowmap.uncertainty import Uncertainty
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.flowsr.training import unit
from srcli.networks.discriminator import FeatureDiscriminator, PatchDiscriminator
from srcli.training.data.degraded import DegradedBatch
from srcli.training.frozen import FrozenParts
from srcli.training.losses import Perceptual
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Logged, logged
from srcli.weights import store


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions(MapOptions):
    """adversary_start: the step from which the discriminator counts. judge: what it sees, `pixels` or the `features` of
    the trunk. penalty: weight of the gradient penalties. steps: numbers of evaluations that the discriminator sees
    pictures of, each as often."""

    adversary_start: int = 0
    judge: str = "features"
    penalty: float = 1.0
    steps: tuple[int, ...] = (1, 2, 4)

    def __post_init__(self) -> None:
        MapOptions.__post_init__(self)
        if self.judge not in ("features", "pixels"):
            raise RecipeError(f"the discriminator sees features or pixels, not {self.judge!r}")


class FlowmapLoraTask(MapTask[Lora]):
    """Half of a batch for the losses of the stages before, with the frozen network as their teacher; of the other half
    pictures are made in a few steps, gradients pass through the last: `adversary`, relativistic and in pairs, and half
    of `perceptual`, `periodic`, `weave` and `flat`. `gap` in the log is how far the discriminator puts photos above
    them, in the mean.

    flow: the frozen network. trunk: SqueezeNet 1.1 weights for the perceptual loss and the discriminator.
    """

    kind = Lora
    weighted = WEIGHTED | {"adversary"}
    options = frozenset(f.name for f in fields(LoraOptions))

    def __init__(self, recipe: Recipe, network: Lora, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        options = recipe.options | {"steps": tuple(recipe.options.get("steps", LoraOptions().steps))}
        self.chosen, self.lora = LoraOptions(**options), network
        path = frozen.find_flow("velocity", "a LoRA needs its network")
        base = store.load_network(path)
        if not isinstance(base, VelocityNet) or not network.fits(base):
            raise RecipeError(f"{path} is not a velocity network of the recipe's architecture")
        if recipe.loss.get("map") and self.chosen.guidance != 1:
            check_negative(base, path)
        self.base, self.origin = base, {"flow": store.sha256(path)}
        self.followers.append(base)
        self.objective = self.objective_of(recipe, self.chosen, base.quality, frozen)
        self.networks["uncertainty"] = Uncertainty()
        if self.weights.get("adversary"):
            self.networks["discriminator"] = self._discriminator()

    def _discriminator(self) -> nn.Module:
        if self.chosen.judge == "pixels":
            return PatchDiscriminator()
        if self.objective.perceptual is None:
            raise RecipeError("a discriminator of features needs a perceptual loss beside it, for its trunk")
        taps = self.objective.perceptual.taps(torch.zeros(1, 3, 64, 64))
        return FeatureDiscriminator(tuple(tap.shape[1] for tap in taps))

    def losses(self, batch: DegradedBatch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.hr.device)
        uncertainty, judge = self.networks["uncertainty"], self.networks.get("discriminator")
        assert isinstance(uncertainty, Uncertainty)
        judge = judge if step >= self.chosen.adversary_start else None
        changed = self._changed()
        pair = Pair.of(batch, self.base.noise)
        half = len(pair.lr) if judge is None else len(pair.lr) // 2
        count = self.chosen.count(half, step) if self.weights.get("map") else 0
        terms = self.objective(changed, self.base, pair.at(slice(half)), count)
        shown = pair.at(slice(half, None))
        shown = shown.at(shown.quality > 0)
        against, values, seen = pair.lr.new_zeros(()), {}, None
        if judge is not None and len(shown.lr):
            made = self._sample(changed, shown.lr)
            ends = self.objective.judged(made, shown)
            terms = replace(terms, values={k: (v + ends[k]) / 2 for k, v in terms.values.items()})
            seen = Seen.of(judge, self.objective.perceptual, made, shown)
            judge.requires_grad_(False)
            of_real, of_fake = seen.logits(seen.real), seen.logits(seen.fake)
            against = flow_map.generator_loss(of_real, of_fake)
            values = logged({"adversary": against, "gap": (of_real - of_fake).mean()})
        named = {k: math.nan for k in ("adversary", "gap", "discriminator") if self.weights.get("adversary")}
        total, of_terms = self.objective.total(terms, uncertainty)
        yield "network", total + self.weights.get("adversary", 0.0) * against, named | of_terms | values
        yield "uncertainty", self.objective.of_uncertainty(terms, uncertainty), {}
        if judge is not None and seen is not None:
            judge.requires_grad_(True)
            loss = flow_map.discriminator_loss(seen.logits, seen.real, seen.fake, self.chosen.penalty)
            yield "discriminator", loss, {"discriminator": loss.detach()}

    def _changed(self) -> Callable[..., Tensor]:
        """The frozen network with the change of this step in its weights."""
        weights = self.lora.changed(self.base)
        return lambda *inputs, **named: functional_call(self.base, weights, inputs, named)

    def _sample(self, changed: Callable[..., Tensor], lr: Tensor) -> Tensor:
        """A picture in one of the numbers of steps; gradients pass through the last alone."""
        steps = self.chosen.steps[int(torch.randint(len(self.chosen.steps), ()))]
        u = Directed(changed, 1.0 if self.base.quality else None)
        x = lr
        for k in range(steps):
            s, t = (lr.new_full((len(lr),), n / steps) for n in (k, k + 1))
            with torch.set_grad_enabled(k == steps - 1):
                x = flow_map.jump(u, x, s, t)
        return x

    def pipeline(self, network: Lora) -> FlowmapModel:
        return FlowmapModel(self.base, network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the discriminator sees in a step: photos and pictures, (B, 3, H, W) in [0, 1], and beside them the enlarged
    ones that they come from, all shifted and enlarged alike. taps: the features of a picture, for discriminators of
    features."""

    judge: nn.Module
    taps: Callable[[Tensor], list[Tensor]] | None
    real: Tensor
    fake: Tensor
    beside: Tensor | list[Tensor]

    @classmethod
    def of(cls, judge: nn.Module, perceptual: Perceptual | None, made: Tensor, shown: Pair) -> Seen:
        real, fake, lr = Perceptual.moved(unit(torch.cat([shown.hr, made, shown.lr]))).chunk(3)
        real, lr = real.detach(), lr.detach()
        if not isinstance(judge, FeatureDiscriminator):
            return cls(judge=judge, taps=None, real=real, fake=fake, beside=lr)
        assert perceptual is not None
        return cls(judge=judge, taps=perceptual.taps, real=real, fake=fake, beside=perceptual.taps(lr))

    def logits(self, image: Tensor) -> Tensor:
        with runtime.mixed(image.device):
            return self.judge(image if self.taps is None else self.taps(image), self.beside).float()
