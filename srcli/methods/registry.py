"""The methods, and what follows from their declarations. A new method is one line in `DECLARATIONS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from srcli.errors import SrcliError
from srcli.methods.method import Method, Task, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from srcli.checkpoints.family import Family
    from srcli.tiling.model import Model

# In the order in which a checkpoint is shown to their families.
DECLARATIONS: tuple[str, ...] = (
    "srcli.methods.linf.method:LINF",
    "srcli.methods.linf.method:LINF_OFFICIAL",
    "srcli.methods.srflow.method:SRFLOW",
    "srcli.methods.srflow.method:SRFLOW_OFFICIAL",
    "srcli.methods.rrdb.method:RRDB",
    "srcli.methods.realesrgan.method:REALESRGAN",
    "srcli.methods.flowsr.method:FLOWSR",
    "srcli.methods.flowmap.method:FLOWMAP",
    "srcli.methods.flowsr_sd.method:FLOWSR_SD",
    "srcli.methods.degflow.method:DEGFLOW",
    "srcli.methods.bicubic.method:BICUBIC",
    "srcli.methods.spandrel.method:SPANDREL",
)
# Networks that several methods share, or that only measure.
SHARED = {
    "edsr": "srcli.networks.edsr:EDSR",
    "rrdb": "srcli.networks.rrdb:RRDB",
    "rdn": "srcli.networks.rdn:RDN",
    "swinir": "srcli.networks.swinir:SwinIR",
    "trunk": "srcli.networks.trunks:trunk",
    "lpips-heads": "srcli.networks.trunks:Heads",
}


class Unfit(SrcliError):
    """Networks that a method cannot run."""

    exit_code = 4


class NoUpscaler(SrcliError):
    """A model that does not upscale."""

    exit_code = 2


def methods() -> dict[str, Method]:
    """All methods by name."""
    return _declared(DECLARATIONS)


@cache
def _declared(paths: tuple[str, ...]) -> dict[str, Method]:
    return {method.name: method for method in map(resolve, paths)}


def architectures() -> dict[str, str]:
    """Paths of all networks by kind."""
    found = dict(SHARED)
    for method in methods().values():
        found |= method.architectures
    return found


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The network that `architecture` describes, e.g. {"kind": "edsr", "blocks": 10, "features": 48}. Raises
    ValueError or TypeError for one that does not exist."""
    parameters = dict(architecture)
    kind, known = parameters.pop("kind", None), architectures()
    if kind not in known:
        raise ValueError(f"unknown architecture kind {kind!r}; known: {', '.join(known)}")
    return resolve(known[kind])(**parameters)


def assemble(name: str, networks: Mapping[str, nn.Module]) -> Model:
    """The model of a method from its networks by role. Raises NoUpscaler, or Unfit."""
    method = methods().get(name)
    if method is None or not method.model:
        raise NoUpscaler(f"a {name} model cannot upscale; use it with srcli degrade")
    if lacking := [part.role for part in method.parts if not part.optional and part.role not in networks]:
        raise Unfit(f"a {name} model needs a {lacking[0]}, which these weights lack")
    try:
        return resolve(method.model)(*(networks.get(part.role) for part in method.parts))
    except ValueError as error:
        raise Unfit(f"the weights make no model: {error}") from error


def load(name: str, files: Mapping[str, Path], load_network: Any) -> dict[str, nn.Module]:
    """The networks of a method from its files by role. load_network: reads the network in a file."""
    method = methods().get(name)
    if method is not None and method.load:
        return resolve(method.load)(**files)
    return {role: load_network(file) for role, file in files.items()}


def players(kind: str) -> list[tuple[str, str]]:
    """The methods that take a network of a kind, each with its role there; first the usual one."""
    return [(m.name, p.role) for m in methods().values() for p in m.parts if kind in p.kinds]


def tasks() -> dict[str, tuple[Method, Task]]:
    """All tasks by name, with their methods."""
    return {task.name: (method, task) for method in methods().values() for task in method.tasks}


def readers() -> list[Callable[[Path], dict[str, Tensor] | None]]:
    """Readers of file formats that methods have of their own."""
    return [resolve(path) for method in methods().values() for path in method.readers]


def packages() -> list[str]:
    """The packages of the methods, each once."""
    return list(dict.fromkeys(path.partition(":")[0].rpartition(".")[0] for path in DECLARATIONS))


def families() -> list[Family]:
    """Families of published checkpoints, in the order in which they are asked."""
    return [resolve(path) for method in methods().values() for path in method.published]
