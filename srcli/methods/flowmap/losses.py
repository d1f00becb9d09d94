"""What a flow map is taught: its velocity by pairs of pictures, its jumps by itself, the ends by a frozen trunk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from srcli import runtime
from srcli.flows import flow_maps as flow_map
from srcli.flows.broadcast import across
from srcli.methods.flowmap.times import Jumps, Pairs
from srcli.methods.flowmap.uncertainty import LEAST_LOSS, Uncertainty
from srcli.methods.flowsr.network import FOLD
from srcli.methods.flowsr.training import unit
from srcli.training import losses
from srcli.training.data.degraded import DegradedBatch
from srcli.training.losses import Perceptual
from srcli.training.task import Logged, logged, weighted_total

Network = Callable[..., Tensor]  # of the signature of `VelocityNet`
VELOCITY, MAP = 0, 1  # kinds of losses, for the uncertainty
LEAST = math.log(LEAST_LOSS)  # of the logarithm of their weights


@dataclass(frozen=True, slots=True)
class Directed:
    """u(x, s, t | quality) of a velocity network, whose own time runs the other way. quality: (B,) or one for all, None
    for networks without; only those samples are computed that are asked for."""

    network: Network
    quality: Tensor | float | None = None

    def __call__(self, x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        quality = s.new_full(s.shape, self.quality) if isinstance(self.quality, float) else self.quality
        with runtime.mixed(x.device):
            return -self.network(x, 1 - s, 1 - t, **({} if quality is None else {"quality": quality}))


@dataclass(frozen=True, slots=True)
class Pair:
    """Both ends of the path, (B, 3, H, W) in [-1, 1], and the quality of the sharp one, (B,)."""

    lr: Tensor
    hr: Tensor
    quality: Tensor

    @classmethod
    def of(cls, batch: DegradedBatch, noise: float = 0.0) -> Pair:
        """noise: see `VelocityNet`."""
        lr = batch.lr * 2 - 1
        return cls(lr + noise * torch.randn_like(lr) if noise else lr, batch.hr * 2 - 1, batch.quality)

    def at(self, index: Tensor | slice) -> Pair:
        return Pair(self.lr[index], self.hr[index], self.quality[index])

    def beside(self, other: Pair) -> Pair:
        both = ((self.lr, other.lr), (self.hr, other.hr), (self.quality, other.quality))
        return Pair(*(torch.cat(parts) for parts in both))

    def path(self, s: Tensor, bridge: float) -> Tensor:
        noise = torch.randn_like(self.lr) if bridge else None
        return flow_map.interpolant(self.lr, self.hr, s, noise, bridge)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Losses of each sample with their times: of the velocity (s, s) and of the map (s, t); values for all."""

    velocity: Tensor
    s: Tensor
    map: Tensor
    pairs: Pairs
    values: dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLosses:
    """The losses of stages 1 to 3. guidance: w of the guided flow, which the map learns; 1 is none. bridge: standard
    deviation of the noise on the path, in [-1, 1]. power: see `flow_map.normalised`; for Eulerian targets. flat: see
    `losses.flatness`; guidance fades where the photo is flat, for what leads away from blur there is noise. quality:
    whether the network knows one. judge_jumps: whether jumps that arrive at the photo are judged as the ends are that
    the velocity points to; for shortcuts.
    """

    jumps: Jumps
    weights: dict[str, float]
    perceptual: Perceptual | None
    guidance: float = 1.0
    bridge: float = 0.0
    power: float = 0.5
    flat: float = 0.0
    quality: bool = True
    judge_jumps: bool = False

    def __call__(self, network: Network, teacher: Network, pair: Pair, count: int) -> Terms:
        """Of a batch, of which `count` positive samples are for the map. teacher: the network of the targets."""
        order = pair.quality.argsort(descending=True, stable=True)
        count = min(count, int(pair.quality.sum()), len(order) - 1)
        jumping, still = pair.at(order[:count]), pair.at(order[count:])
        s, pairs = self.jumps.single(len(still.lr), pair.lr.device), self.jumps.pairs(count, pair.lr.device)
        x = still.path(s, self.bridge)
        made, of_map, landed = self._made(network, teacher, (x, s, still.quality), jumping, pairs)
        end, photos = flow_map.move(x, made, s, torch.ones_like(s)), still
        velocity = flow_map.flow_matching(made, still.lr, still.hr)
        if self.judge_jumps and count:
            arrived = pairs.t == 1
            end, photos = torch.cat([end, landed[arrived]]), still.beside(jumping.at(arrived))
        return Terms(velocity=velocity, s=s, map=of_map, pairs=pairs, values=self.judged(end, photos))

    def _made(
        self, network: Network, teacher: Network, still: tuple[Tensor, Tensor, Tensor], jumping: Pair, pairs: Pairs
    ) -> tuple[Tensor, Tensor, Tensor]:
        """u on the diagonal, the losses of the jumps, (count,), and where they land (Lagrangian: where they begin)."""
        x, s, quality = still
        count = len(jumping.lr)
        if not count:
            return self._field(network, quality)(x, s, s), s.new_zeros(0), jumping.lr
        begin = jumping.path(pairs.s, self.bridge)
        if self.jumps.formulation == "lagrangian":
            made = self._field(network, quality)(x, s, s)
            guided = self._guided(teacher, self._weight(jumping))
            residual = flow_map.lagrangian_residual(self._field(network, 1.0), guided, begin, pairs.s, pairs.t)
            return made, flow_map.square(residual), begin
        target = self._target(teacher, begin, pairs, self._weight(jumping))
        both = self._field(network, torch.cat([quality, jumping.quality]))
        together = both(torch.cat([x, begin]), torch.cat([s, pairs.s]), torch.cat([s, pairs.t]))
        loss = flow_map.square(together[-count:] - target)
        power = self.power if self.jumps.formulation == "eulerian" else 0.0
        landed = flow_map.move(begin, together[-count:], pairs.s, pairs.t)
        return together[:-count], flow_map.normalised(loss, power), landed

    @torch.no_grad()
    def _target(self, teacher: Network, x: Tensor, pairs: Pairs, guidance: Tensor) -> Tensor:
        positive = self._field(teacher, 1.0)
        if self.jumps.formulation == "eulerian":
            velocity = self._guided(teacher, guidance)(x, pairs.s, pairs.s)
            return flow_map.eulerian_target(positive, velocity, x, pairs.s, pairs.t)
        if not pairs.finest.any():
            return flow_map.shortcut_target(positive, x, pairs.s, pairs.t)
        # Guidance would compound over levels: it is for the halves of the finest jumps alone, which are the velocity's;
        # longer jumps are made of what has learned it (Frans et al. 2024).
        weight = torch.where(across(pairs.finest), guidance, 1.0)
        field = self._guided(teacher, weight)
        return flow_map.shortcut_target(
            lambda y, s, t: field(y, s, torch.where(pairs.finest, s, t)), x, pairs.s, pairs.t
        )

    def _field(self, network: Network, quality: Tensor | float) -> Directed:
        return Directed(network, quality if self.quality else None)

    def _weight(self, pair: Pair) -> Tensor:
        """w of each place, (B, 1, H, W)."""
        busy = 1 - losses.flatness(unit(pair.hr), self.flat) if self.flat else torch.ones_like(pair.hr[:, :1])
        return 1 + (self.guidance - 1) * busy

    def _guided(self, network: Network, weight: Tensor) -> flow_map.Field:
        positive = self._field(network, 1.0)
        if self.guidance == 1:
            return positive
        return flow_map.guided(positive, self._field(network, 0.0), weight)

    def judged(self, end: Tensor, still: Pair) -> dict[str, Tensor]:
        """Losses of the ends that are seen from the path, or of pictures: those of positive samples, 0 without one."""
        good = still.quality > 0
        sr, hr, some = unit(end[good]), unit(still.hr[good]), bool(good.any())
        values = {}
        if self.weights.get("periodic"):
            values["periodic"] = losses.patch_periodic(sr, hr, FOLD, (4, 6)) if some else end.new_zeros(())
        if self.weights.get("weave"):
            values["weave"] = losses.weave(sr, hr, FOLD) if some else end.new_zeros(())
        if self.weights.get("flat"):
            values["flat"] = losses.flat(sr, hr, self.flat) if some else end.new_zeros(())
        if self.perceptual is not None:
            values["perceptual"] = self.perceptual(sr, hr).mean() if some else end.new_zeros(())
        return values

    def total(self, terms: Terms, uncertainty: Uncertainty) -> tuple[Tensor, Logged]:
        """The weighted sum for the network, and values to log. No gradient passes to the uncertainty."""
        made = {"flow": terms.velocity.mean()}
        if self.weights.get("map"):
            made["map"] = terms.map.mean()  # NaN without a jump
        with torch.no_grad():
            of_flow, of_map = (w.clamp_min(LEAST) for w in self._log_weights(terms, uncertainty))
        count = len(terms.velocity) + len(terms.map)
        parts = {"flow": flow_map.weighted(terms.velocity, of_flow) * (len(terms.velocity) / count)}
        if len(terms.map):
            parts["map"] = flow_map.weighted(terms.map, of_map) * (len(terms.map) / count)
        parts |= terms.values
        return weighted_total(self.weights, parts), logged(made | terms.values)

    def of_uncertainty(self, terms: Terms, uncertainty: Uncertainty) -> Tensor:
        """The loss that the uncertainty learns from. It is the loss that is bounded here, so that a weight below the
        bound has a gradient back."""
        made = torch.cat([terms.velocity.detach(), terms.map.detach()]).clamp_min(LEAST_LOSS)
        return flow_map.weighted(made, torch.cat(self._log_weights(terms, uncertainty)))

    @staticmethod
    def _log_weights(terms: Terms, uncertainty: Uncertainty) -> tuple[Tensor, Tensor]:
        return uncertainty(VELOCITY, terms.s, terms.s), uncertainty(MAP, terms.pairs.s, terms.pairs.t)
