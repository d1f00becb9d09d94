"""What a recipe trains: the networks, the losses of a step, and the model around the trained network."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from srcli.networks.trainable import Trainable
from srcli.tiling.model import Model, Sampling
from srcli.training.frozen import FrozenParts
from srcli.training.losses import Perceptual
from srcli.training.recipe import OptimSpec, Recipe
from srcli.training.shares import GradientShares

N = TypeVar("N", bound=Trainable)
Logged = dict[str, float | Tensor]  # values of a step for the log; tensors are read late


class Movable(Protocol):
    """What lives on a device."""

    def to(self, device: torch.device, /) -> object: ...


class Task(ABC, Generic[N]):
    """A network with what helps to train it.

    network: the one that is trained and exported.
    networks: those that are saved with a run, by name; "network" is the trained one, "target" its moving average.
    weights: of the recipe's named losses.
    origin: what the weights depend on beyond recipe and photos, as digests by name. A resumed run must have the same;
    exported weights say it.

    A subclass declares `kind`, the architecture that it trains; `weighted` and `options`, the names that the recipe's
    [loss] and [options] may hold; `lr_factors`, how many times as fast as the recipe says a network learns, by name;
    `on_picture`, the losses of one picture, whose gradients a recipe may balance.
    """

    kind: ClassVar[type[Trainable]]
    weighted: ClassVar[frozenset[str]]
    options: ClassVar[frozenset[str]] = frozenset()
    lr_factors: ClassVar[Mapping[str, float]] = {}
    on_picture: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, recipe: Recipe, network: N, frozen: FrozenParts) -> None:
        self.network, self.weights, self.spec = network, recipe.loss, recipe.optim
        self.networks: dict[str, nn.Module] = {"network": network}
        self.balance = GradientShares(recipe.loss) if recipe.balanced else None
        if self.balance is not None:
            self.networks["shares"] = self.balance
        self.origin: dict[str, str] = {}
        self.followers: list[Movable] = []  # frozen networks, which go where the batch is
        self.gates: dict[str, Tensor] = {}  # of networks that wait at times: whether they learn now, told before a loss

    @abstractmethod
    def losses(self, batch: Any, step: int) -> Iterator[tuple[str, Tensor, Logged]]:
        """The losses of a step: (network to update, loss, values to log). The loop updates that network before it asks
        for the next loss."""

    def optimized(self, name: str) -> OptimSpec:
        """How the network of that name learns."""
        return self.spec

    def check_start(self, weights: Path | None) -> None:
        """Raise RecipeError where training cannot begin with these weights; None: random ones."""

    def follow(self, device: torch.device) -> None:
        """Move the frozen networks to the device of a batch; costs nothing once they are there."""
        for part in self.followers:
            part.to(device)

    def total(self, values: Mapping[str, Tensor], picture: Tensor | None = None) -> Tensor:
        """The weighted sum of named losses; of a balanced recipe, what has their balanced gradient on the picture.

        picture: that `on_picture` judge, as the network made it.
        """
        if self.balance is None:
            return weighted_total(self.weights, values)
        assert picture is not None, "only tasks with losses on a picture are balanced"
        return (picture * self.balance(values, picture)).mean()

    def perceptual_loss(self, frozen: FrozenParts, floor: float = 0.0, flat: float = 0.0) -> Perceptual | None:
        """The perceptual loss, None where the recipe gives it no weight. floor, flat: of `Perceptual`.

        Raises RecipeError without a trunk.
        """
        if not self.weights.get("perceptual"):
            return None
        trunk = frozen.load_trunk()
        self.followers.append(trunk)
        return Perceptual(trunk, floor, flat)

    def add_target(self) -> None:
        """A moving average of the trained network, which makes its targets."""
        self.networks["target"] = copy.deepcopy(self.network).requires_grad_(False)

    def move_target(self, decay: float) -> None:
        """Move the target network, if there is one, towards the trained one."""
        if target := self.networks.get("target"):
            move_average(target.parameters(), self.network.parameters(), decay)


class PictureTask(Task[N]):
    """A task whose network makes pictures larger. sampling: how it is validated."""

    sampling: ClassVar[Sampling] = Sampling(temperature=0.0)  # the mean of a flow

    @abstractmethod
    def pipeline(self, network: N) -> Model:
        """The inference model around `network`."""


class LevelTask(Task[N]):
    """A task on levels of degradation."""

    @abstractmethod
    def made(self, network: N, images: dict[int, Tensor]) -> dict[int, Tensor]:
        """The levels as `network` makes them, of images by level, (1, 3, H, W) in [0, 1]."""


def weighted_total(weights: Mapping[str, float], values: Mapping[str, Tensor]) -> Tensor:
    """The sum of named losses, each times its weight; without one it counts nothing."""
    return torch.stack([weights.get(k, 0.0) * v for k, v in values.items()]).sum()


def logged(values: Mapping[str, Tensor]) -> Logged:
    """Losses for the log, on their device."""
    return {k: v.detach() for k, v in values.items()}


@torch.no_grad()
def move_average(slow: Iterable[Tensor], fast: Iterable[Tensor], decay: float) -> None:
    """Exponential moving average of tensors, in place: slow = decay * slow + (1 - decay) * fast."""
    torch._foreach_lerp_(list(slow), list(fast), 1 - decay)
