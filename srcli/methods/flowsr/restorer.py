"""Training of a restorer that people prefer: a rectified flow in one step, taught by a stronger model and judged by
two discriminators.

At detail 1 the end of the path is the teacher's picture, at detail 0 the photo, in between their mixture: a strong
restorer's picture is a function of the input, so that regression to it does not blur, while what cannot be known of a
photo is averaged. Losses pull by shares of their gradients (`GradientShares`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli import runtime
from srcli.flows import rectified
from srcli.flows.broadcast import across
from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.flowsr.network import FOLD, VelocityNet
from srcli.methods.flowsr.training import end, unit
from srcli.networks.discriminator import PixelDiscriminator, ProjectedDiscriminator
from srcli.tiling.model import Sampling
from srcli.training import losses
from srcli.training.data.lessons import CLEAN, GRAPHIC, PICTURE, LessonBatch
from srcli.training.frozen import FrozenParts
from srcli.training.recipe import OptimSpec, Recipe
from srcli.training.shares import GradientShares
from srcli.training.task import Logged, PictureTask, logged

FLAT = 6.0  # standard deviation in 8-bit steps below which a picture is flat
SHIFT = 8  # pixels, at the most, by which pictures are moved before the frozen trunk sees them
TRAILING = 0.98  # memory of a discriminator's running lead


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorerOptions:
    """faithful_share: share of samples with a detail below 1. start_share: of those at the start of the path, where one
    step is judged. photo_share: share of hardly degraded photos whose end at detail 1 is the photo, not the teacher's
    picture. real_share: share of known photos that the discriminators see as real instead of the teacher's pictures.
    sharpen: how much of its own fine detail is added to the teacher's picture, 0 or more (`sharpened`).

    adversary_start: step from which the discriminators are heard; they learn from the first. lead: how far a
    discriminator may be ahead, in logits, before it waits. judge_lr: its learning rate.
    """

    faithful_share: float = 0.2
    start_share: float = 0.95
    photo_share: float = 0.35
    real_share: float = 0.5
    sharpen: float = 0.0
    adversary_start: int = 400
    lead: float = 1.5
    judge_lr: float = 3e-4


def sharpened(picture: Tensor, amount: float) -> Tensor:
    """An unsharp mask of sigma 1.5 on pictures (B, 3, H, W) in [-1, 1]: what the network cannot follow of a teacher's
    picture makes its own softer. Real-ESRGAN sharpens its photos likewise (Wang et al. 2021, section 3.3)."""
    radius = 4
    bell = torch.exp(-torch.arange(-radius, radius + 1, device=picture.device).float().square() / (2 * 1.5**2))
    bell = (bell / bell.sum()).expand(3, 1, 1, -1)
    padded = F.pad(picture, (radius,) * 4, mode="reflect")
    blurred = F.conv2d(F.conv2d(padded, bell, groups=3), bell.mT, groups=3)
    return (picture + amount * (picture - blurred)).clamp(-1, 1)


class Lead(nn.Module):
    """How far a discriminator is ahead, as a running mean that a resumed run goes on with."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))

    def update(self, real: list[Tensor], fake: list[Tensor], weight: Tensor) -> None:
        now = torch.stack([((r - f).mean((1, 2, 3)) * weight).mean() for r, f in zip(real, fake, strict=True)]).mean()
        self.value.lerp_(now.detach(), 1 - TRAILING)


class RestorerTask(PictureTask[VelocityNet]):
    """Shares, in the recipe's [loss], of `pixel` (L1), `flat` (L1 where the aim is flat), `grid` (what repeats with the
    fold), `perceptual`, `features` (a projected discriminator) and `pixels` (one on pixels). Without a share of its own
    for the grid, a fine mesh grows: it is the cheapest texture that a shuffle of pixels can make.

    trunk: SqueezeNet 1.1 for the perceptual loss. features: EfficientNet-Lite0 for the projected discriminator.
    """

    kind = VelocityNet
    weighted = on_picture = frozenset({"pixel", "flat", "grid", "perceptual", "features", "pixels"})
    options = frozenset(RestorerOptions.__slots__)
    sampling = Sampling()

    def __init__(self, recipe: Recipe, network: VelocityNet, frozen: FrozenParts) -> None:
        super().__init__(recipe, network, frozen)
        self.chosen = RestorerOptions(**recipe.options)
        self.perceptual = self.perceptual_loss(frozen, floor=0.1)
        self.shares = self.balance or GradientShares(self.weights)  # balanced or not: it is written for shares
        self.networks["shares"] = self.shares
        self.judges: dict[str, nn.Module] = {}
        if self.weights.get("features"):
            self.frozen = frozen.load_features()
            self.followers.append(self.frozen)
            self.judges["features"] = ProjectedDiscriminator(self.frozen.widths)
        if self.weights.get("pixels"):
            self.judges["pixels"] = PixelDiscriminator()
        self.leads = {name: Lead() for name in self.judges}
        self.networks |= self.judges | {f"{name} lead": lead for name, lead in self.leads.items()}

    def optimized(self, name: str) -> OptimSpec:
        if name in self.judges:
            return replace(self.spec, name="adamw", lr=self.chosen.judge_lr, beta1=0.0, weight_decay=1e-4)
        return self.spec

    # --- one step ---

    def losses(self, batch: LessonBatch, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        self.follow(batch.lr.device)
        truth, lr, taught = (v * 2 - 1 for v in (batch.truth, batch.lr, batch.taught))
        detail, t = self._asked(batch.kind)
        aim = self._aim(truth, taught, batch.kind, detail)
        start = rectified.interpolate(aim, lr, t).contiguous()
        made = end(self.network, start, t, detail)
        leaf = unit(made.detach()).requires_grad_(True)
        weight = detail * (batch.kind != GRAPHIC)
        values = self._values(leaf, unit(aim), detail)
        if heard := step >= self.chosen.adversary_start:
            values |= self._opinions(leaf, weight)
        gradient = self.shares(values, leaf)
        numbers = dict.fromkeys(self.weights, 0.0) | logged(values)
        # The gradient of this product with respect to the picture is the balanced one.
        yield (
            "network",
            (unit(made) * gradient).mean(),
            numbers | {f"{k} lead": lead.value.clone() for k, lead in self.leads.items()},
        )
        reals = self._reals(unit(truth), unit(aim), batch.kind)
        fakes = unit(made.detach()).clamp(0, 1)
        for name, judge in self.judges.items():
            judge.requires_grad_(True)
            loss = self._learn(name, reals, fakes, weight)
            if heard:
                self.gates[name] = self.leads[name].value < self.chosen.lead
            yield name, loss, {}

    def _asked(self, kind: Tensor) -> tuple[Tensor, Tensor]:
        """Details and times. Of a picture as it is only the teacher's version is known: detail 1."""
        lower, between, zero, early, time = torch.rand(5, len(kind), device=kind.device)
        less = (lower < self.chosen.faithful_share) & (kind != PICTURE)
        detail = torch.where(less, torch.where(zero < 0.7, 0.0, between), 1.0)
        return detail, torch.where(early < self.chosen.start_share, 1.0, time.clamp_min(1e-3))

    def _aim(self, truth: Tensor, taught: Tensor, kind: Tensor, detail: Tensor) -> Tensor:
        if self.chosen.sharpen:
            taught = torch.where(across(kind == GRAPHIC), taught, sharpened(taught, self.chosen.sharpen))
        itself = (kind == CLEAN) & (torch.rand(len(kind), device=kind.device) < self.chosen.photo_share)
        return torch.lerp(truth, torch.where(across(itself), truth, taught), across(detail))

    def _values(self, sr: Tensor, aim: Tensor, detail: Tensor) -> dict[str, Tensor]:
        values = {
            "pixel": losses.pixel(sr, aim),
            "flat": losses.flat(sr, aim, FLAT),
            "grid": losses.patch_periodic(sr, aim, FOLD, (3, 6)) + 0.5 * losses.weave(sr, aim),
        }
        if self.perceptual is not None:
            values["perceptual"] = (self.perceptual(sr, aim) * detail).mean()
        return values

    def _opinions(self, sr: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """What the discriminators say against the pictures."""
        found = {}
        for name, judge in self.judges.items():
            judge.requires_grad_(False)
            logits = self._judged(name, sr)
            found[name] = -torch.stack([(logit.mean((1, 2, 3)) * weight).mean() for logit in logits]).mean()
        return found

    def _judged(self, name: str, pictures: Tensor) -> list[Tensor]:
        judge = self.judges[name]
        with runtime.mixed(pictures.device):
            seen = self._moved(pictures) if name == "features" else pictures
            return [logits.float() for logits in judge(self.frozen(seen) if name == "features" else seen)]

    @staticmethod
    def _moved(pictures: Tensor) -> Tensor:
        """Moved by a few pixels, the same way for all, so that no pattern is tied to the trunk's own strides."""
        top, left = (int(v) for v in torch.randint(0, SHIFT, (2,)))
        height, width = (n - SHIFT for n in pictures.shape[-2:])
        moved = pictures[..., top : top + height, left : left + width]
        return moved.contiguous(memory_format=torch.channels_last)

    def _reals(self, truth: Tensor, aim: Tensor, kind: Tensor) -> Tensor:
        known = (
            (kind != PICTURE) & (kind != GRAPHIC) & (torch.rand(len(kind), device=kind.device) < self.chosen.real_share)
        )
        return torch.where(across(known), truth, aim)

    def _learn(self, name: str, reals: Tensor, fakes: Tensor, weight: Tensor) -> Tensor:
        """The hinge loss of a discriminator, and its lead."""
        weight = weight / weight.mean().clamp_min(1e-3)
        logits = self._judged(name, torch.cat([fakes, reals]))
        fake, real = zip(*(logit.chunk(2) for logit in logits), strict=True)
        self.leads[name].update(list(real), list(fake), weight)
        both = [
            ((F.relu(1 - r) + F.relu(1 + f)).mean((1, 2, 3)) * weight).mean() for r, f in zip(real, fake, strict=True)
        ]
        return torch.stack(both).mean()

    def pipeline(self, network: VelocityNet) -> FlowsrModel:
        return FlowsrModel(network)
