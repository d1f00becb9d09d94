"""The methods by name: networks that belong together become a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from srcli.errors import SrcliError
from srcli.pipelines.base import Model
from srcli.pipelines.flowsr import FlowsrModel
from srcli.pipelines.linf import LinfModel
from srcli.pipelines.srflow import SRFlowModel


def _linf(networks: Mapping[str, nn.Module]) -> LinfModel:
    return LinfModel(networks["flow"], networks.get("prior"))  # type: ignore[arg-type]


def _srflow(networks: Mapping[str, nn.Module]) -> SRFlowModel:
    return SRFlowModel(networks["flow"], networks.get("prior"))  # type: ignore[arg-type]


def _flowsr(networks: Mapping[str, nn.Module]) -> FlowsrModel:
    return FlowsrModel(networks["velocity"])  # type: ignore[arg-type]


PIPELINES: dict[str, Callable[[Mapping[str, nn.Module]], Model]] = {
    "linf": _linf,
    "srflow": _srflow,
    "flowsr": _flowsr,
}


class NoUpscaler(SrcliError):
    """A model that makes no pictures larger."""

    exit_code = 2


def assemble(pipeline: str, networks: Mapping[str, nn.Module]) -> Model:
    """The model of a pipeline from its networks by role. Raises NoUpscaler."""
    if pipeline not in PIPELINES:
        raise NoUpscaler(f"a {pipeline} model makes no pictures larger; use it with srcli degrade")
    return PIPELINES[pipeline](networks)
