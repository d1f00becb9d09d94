"""What a method declares about itself. Everything else in the package asks the declaration.

Code is named by dotted paths, `package.module:name`, so that nothing is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A network of a model.

    role: its name in manifests and in the metadata of weights, e.g. `flow` or `prior`.
    kinds: architectures that can play the role.
    optional: whether the model runs without it.
    """

    role: str
    kinds: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A dial of `srcli upscale` and `srcli bench`.

    name: detail, temperature, steps, colour or denoise, as in `Sampling`.
    low, high: the smallest and the largest value.
    values: the values, where they are words.
    counts: the only numbers that it takes, where others were not trained; empty for all.
    needs: the role without which it has no effect.
    replaced_by: the role that makes it ineffective.
    swept: whether `srcli bench` runs the model at every value that it was given.
    required: whether it is an error to turn it on a model without it; else that has no effect, and a notice says so.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    values: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    needs: str = ""
    replaced_by: str = ""
    swept: bool = True
    required: bool = False

    def works(self, parts: Collection[str]) -> bool:
        """Whether a model with these parts has the dial."""
        return (not self.needs or self.needs in parts) and self.replaced_by not in parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that `srcli train` trains.

    name: as recipes call it.
    role: of the network that is trained and exported.
    code: path of the task's class.
    crops: path of the class that says how batches are cut.
    flow: when it needs a frozen flow: `always`, never (empty), or `table.key` of the recipe setting that asks for one.
    trunk: whether it can have a perceptual loss, which needs a trunk.
    autoencoder: whether it works in the latents of a frozen autoencoder.
    levels: whether it learns from levels of degradation, which real pairs can be.
    learns_degraded: whether it can learn from low-resolution pictures of another origin than the recipe's.
    taught: whether it learns from the pictures of another model.
    """

    name: str
    role: str
    code: str
    crops: str = "srcli.training.data.photos:CropSpec"
    flow: str = ""
    trunk: bool = False
    autoencoder: bool = False
    levels: bool = False
    learns_degraded: bool = False
    taught: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method, or a published variant of one that runs differently.

    name: the `pipeline` of manifests and of the metadata of weights.
    does: what it is for, for models whose manifest entry does not say.
    paper: its source.
    architectures: the networks that belong to it, by the `kind` of their architecture tables.
    model: path of the class that upscales, made of its parts in their order; empty for a method that does not.
    parts: its networks.
    scales: the smallest and the largest scale it makes where neither weights nor their architecture say.
    controls: its dials.
    lacks: what is said, after "which", of a model on which a dial has no effect, by dial.
    tasks: what can be trained.
    published: paths of the families of published checkpoints that it reads, in the order in which they are asked.
    readers: paths of functions that read its own file formats: the state dict in a file, or None for another format.
    load: path of a function that makes the networks from the files of all roles, where a file is not a network.
    graph: path of a function that makes a graph for `srcli export` of the model and its steps; empty for a method whose
        models cannot be exported.
    """

    name: str
    does: str
    paper: str
    scales: tuple[float, float]
    architectures: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    parts: tuple[Part, ...] = ()
    controls: tuple[Control, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()
    published: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    load: str = ""
    graph: str = ""

    def control(self, name: str) -> Control | None:
        """The dial of that name."""
        return next((control for control in self.controls if control.name == name), None)

    def has(self, name: str, parts: Collection[str]) -> bool:
        """Whether a model of this method with these parts has the dial of that name."""
        control = self.control(name)
        return control is not None and control.works(parts)


def resolve(path: str) -> Any:
    """What a dotted path names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
