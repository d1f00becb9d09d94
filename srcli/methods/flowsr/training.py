"""Training of the consistency rectified flow (FlowSR, Xu et al. 2025), in pixels.

The equations are those of `srcli.flows.rectified`, with its clock: 0 at the photo, 1 at the enlarged small picture.
Pictures are in [-1, 1] here, in [0, 1] where they are judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.flows import rectified
from srcli.flows.broadcast import across
from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.flowsr.network import FOLD, VelocityNet
from srcli.methods.flowsr.times import Times
from srcli.networks.discriminator import PatchDiscriminator
from srcli.tiling.model import Sampling
from srcli.training import losses
from srcli.training.data.degraded import DegradedBatch
from srcli.training.frozen import FrozenParts
from srcli.training.losses import Perceptual
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import Logged, PictureTask, logged
from srcli.weights import store


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowsrOptions:
    """perceptual_start, adversary_start: the step from which these losses count. faithful_share: share of samples with
    a detail below 1, whose perceptual loss is weakened by it: the dial from faithful to sharp. perceptual_floor: see
    `Perceptual`. flat: standard deviation, in 8-bit steps, below which a photo is flat: there the perceptual loss fades
    and the loss `flat` counts.

    terms: of the consistency loss, `both`, `cd` (towards the target network), `hr` (towards the photo). target_ema: of
    the target network. distance_perceptual, distance_flat: weights of these parts of its distance. noise: largest
    standard deviation, in [-1, 1], of the noise on what the discriminator sees. The rest: see `Times`.
    """

    perceptual_start: int = 0
    adversary_start: int = 0
    faithful_share: float = 0.0
    perceptual_floor: float = 0.0
    flat: float = 0.0
    terms: str = "both"
    target_ema: float = 0.97
    distance_perceptual: float = 0.0
    distance_flat: float = 0.0
    noise: float = 0.2
    pairs: str = "fast-slow"
    intervals: int = 4
    slow: int = 1000
    start_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Points:
    """Pictures (B, 3, H, W) on the path or beside it, their times and the wanted details, (B,)."""

    x: Tensor
    t: Tensor
    detail: Tensor


class FlowsrTask(PictureTask[VelocityNet]):
    """Losses of f against the photo: `l2`, `pixel` (L1), `flat` (L1 where the photo is flat), `perceptual`, `periodic`
    (what repeats with the network's fold); `consistency`, eq. 6, for which half of the batch is kept; `adversary`.

    flow: the flow of the first stage, which the consistency flow starts from and is taught by. trunk: SqueezeNet 1.1
    weights for the perceptual loss.
    """

    kind = VelocityNet
    weighted = on_picture = frozenset({"l2", "pixel", "flat", "perceptual", "periodic", "consistency", "adversary"})
    options = frozenset(FlowsrOptions.__slots__)
    sampling = Sampling()

    def __init__(self, recipe: Recipe, network: VelocityNet, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        self.chosen = FlowsrOptions(**recipe.options)
        if self.chosen.terms not in ("both", "cd", "hr"):
            raise RecipeError(f"the terms of the consistency loss are both, cd or hr, not {self.chosen.terms!r}")
        check_flat(self.weights.get("flat") or self.chosen.distance_flat, self.chosen.flat)
        self.times = Times(self.chosen.pairs, self.chosen.intervals, self.chosen.slow, self.chosen.start_share)
        self.teacher: VelocityNet | None = None
        if self.weights.get("consistency"):
            self._be_taught(frozen)
        self.perceptual = self.perceptual_loss(frozen, self.chosen.perceptual_floor, self.chosen.flat)
        self.discriminator: PatchDiscriminator | None = None
        if self.weights.get("adversary"):
            self.networks["discriminator"] = self.discriminator = PatchDiscriminator()

    def _be_taught(self, frozen: FrozenParts) -> None:
        path = frozen.find_flow("velocity", "consistency needs the flow of the first stage")
        teacher = store.load_network(path)
        if not isinstance(teacher, VelocityNet):
            raise RecipeError(f"{path} is not a velocity network")
        try:
            self.network.load_state_dict(teacher.state_dict())
        except RuntimeError:
            raise RecipeError(f"{path} is a network of another architecture than the recipe's") from None
        self.teacher, self.origin = teacher, {"flow": store.sha256(path)}
        self.followers.append(teacher)
        self.add_target()

    # --- one step ---

    def losses(self, batch: DegradedBatch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.hr.device)
        hr, lr = batch.hr * 2 - 1, batch.lr * 2 - 1
        count = len(hr) // 2 if self.teacher is not None else len(hr)
        points = self._points(hr, lr, count)
        made = end(self.network, points.x, points.t, points.detail)
        judged = self.perceptual if step >= self.chosen.perceptual_start else None
        values = self._flow_losses(made[:count], hr[:count], points.detail[:count], judged)
        shown = slice(0, count)  # to the discriminator
        if self.teacher is not None:
            values["consistency"] = self._consistency(made[count:], points, hr[count:], judged)
            shown = slice(count, len(hr))
        fake, real, base = made[shown], hr[shown], lr[shown]
        judge = self.discriminator if step >= self.chosen.adversary_start else None
        if judge is not None:
            judge.requires_grad_(False)
            values["adversary"] = -(self._seen(judge, fake, base) * across(points.detail[shown])).mean()
        named: Logged = {k: 0.0 for k in ("perceptual", "adversary", "discriminator") if self.weights.get(k)}
        yield "network", self.total(values, made), named | logged(values)
        self.move_target(self.chosen.target_ema)
        if judge is not None:
            judge.requires_grad_(True)
            loss = losses.hinge(self._seen(judge, real, base), self._seen(judge, fake.detach(), base))
            yield "discriminator", loss, {"discriminator": loss.detach()}

    def _details(self, count: int, device: torch.device) -> Tensor:
        """1 for most samples; else half 0, half anything between."""
        kind, between = torch.rand(2, count, device=device)
        share = self.chosen.faithful_share
        return torch.where(kind < share / 2, 0.0, torch.where(kind < share, between, 1.0))

    def _flow_losses(self, sr: Tensor, hr: Tensor, detail: Tensor, judged: Perceptual | None) -> dict:
        values = {"l2": rectified.flow_loss(sr, hr)}
        if self.weights.get("pixel"):
            values["pixel"] = losses.pixel(unit(sr), unit(hr))
        if self.weights.get("flat"):
            values["flat"] = losses.flat(unit(sr), unit(hr), self.chosen.flat)
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(unit(sr), unit(hr), FOLD, (4, 6))
        if judged is not None:
            values["perceptual"] = (judged(unit(sr), unit(hr)) * detail).mean()
        return values

    @torch.no_grad()
    def _points(self, hr: Tensor, lr: Tensor, count: int) -> Points:
        """What the network is asked in a step; the first `count` samples are for the flow, the others for pairs."""
        t, detail = self.times.draw(count, hr.device), self._details(count, hr.device)
        x = rectified.interpolate(hr[:count], lr[:count], t)
        if self.teacher is None:
            return Points(x, t, detail)
        later, near = self.times.pairs(len(hr) - count, hr.device)
        start, full = rectified.interpolate(hr[count:], lr[count:], later), torch.ones_like(later)
        reached = rectified.euler_step(start, velocity(self.teacher, start, later, full), later, near)
        return Points(torch.cat([x, start, reached]), torch.cat([t, later, near]), torch.cat([detail, full, full]))

    def _consistency(self, made: Tensor, points: Points, hr: Tensor, judged: Perceptual | None) -> Tensor:
        """Eq. 6: the end seen from t' like the target network's seen from t; the end seen from t like the photo.

        made: the ends seen from all t', then those from all t; the last of the points belong to the latter.
        """
        of_later, of_earlier = made.split(len(hr))

        def distance(a: Tensor, b: Tensor) -> Tensor:
            return self._distance(a, b, hr, judged)

        if self.chosen.terms == "hr":
            return distance(of_earlier, hr)
        with torch.no_grad():
            target = end(self.networks["target"], *(v[-len(hr) :] for v in (points.x, points.t, points.detail)))
        if self.chosen.terms == "cd":
            return rectified.consistency_loss(of_later, target, distance)
        return rectified.hr_regularised_consistency_loss(of_later, target, of_earlier, hr, distance)

    def _distance(self, a: Tensor, b: Tensor, photo: Tensor, judged: Perceptual | None) -> Tensor:
        distance = losses.charbonnier(a, b)
        if self.chosen.distance_flat:
            flat = losses.flat(unit(a), unit(b), self.chosen.flat, unit(photo))
            distance = distance + self.chosen.distance_flat * flat
        if judged is not None and self.chosen.distance_perceptual:
            seen = judged(unit(a), unit(b), unit(photo)).mean()
            distance = distance + self.chosen.distance_perceptual * seen
        return distance

    def _seen(self, judge: PatchDiscriminator, image: Tensor, base: Tensor) -> Tensor:
        """Logits of lightly noised pictures beside the enlarged ones they come from."""
        strength = torch.rand(len(image), 1, 1, 1, device=image.device) * self.chosen.noise
        with runtime.mixed(image.device):
            return judge(unit(image + strength * torch.randn_like(image)), unit(base)).float()

    def pipeline(self, network: VelocityNet) -> FlowsrModel:
        return FlowsrModel(network)


def check_flat(weight: float | None, sigma: float) -> None:
    if weight and not sigma:
        raise RecipeError("the loss flat needs flat = SIGMA, in 8-bit steps, among the [options]")


def unit(image: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]."""
    return image * 0.5 + 0.5


def velocity(network: nn.Module, x: Tensor, t: Tensor, detail: Tensor) -> Tensor:
    with runtime.mixed(x.device):
        return network(x, t, detail=detail)


def end(network: nn.Module, x: Tensor, t: Tensor, detail: Tensor) -> Tensor:
    """f(x, t), where the network says that the path through x ends."""
    return rectified.endpoint(x, velocity(network, x, t, detail), t)
