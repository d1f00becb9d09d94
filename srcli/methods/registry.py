"""The methods by name: networks that belong together become a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from srcli.errors import SrcliError
from srcli.methods.bicubic.model import PlainModel
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.flowsr_sd.model import FlowsrSd
from srcli.methods.linf.model import LinfModel
from srcli.methods.linf.official import OfficialLinf
from srcli.methods.rrdb.model import RrdbModel
from srcli.methods.srflow.model import SRFlowModel
from srcli.methods.srflow.published_model import PublishedSRFlow
from srcli.tiling.model import Model


def _linf(networks: Mapping[str, nn.Module]) -> LinfModel:
    return LinfModel(networks["flow"], networks.get("prior"))  # type: ignore[arg-type]


def _srflow(networks: Mapping[str, nn.Module]) -> SRFlowModel:
    return SRFlowModel(networks["flow"], networks.get("prior"))  # type: ignore[arg-type]


def _linf_official(networks: Mapping[str, nn.Module]) -> OfficialLinf:
    return OfficialLinf(networks["flow"], networks.get("prior"))  # type: ignore[arg-type]


def _srflow_official(networks: Mapping[str, nn.Module]) -> PublishedSRFlow:
    return PublishedSRFlow(networks["flow"], networks.get("prior"))  # type: ignore[arg-type]


def _rrdb(networks: Mapping[str, nn.Module]) -> RrdbModel:
    return RrdbModel(networks["encoder"])  # type: ignore[arg-type]


def _flowsr(networks: Mapping[str, nn.Module]) -> FlowsrModel:
    return FlowsrModel(networks["velocity"])  # type: ignore[arg-type]


def _flowmap(networks: Mapping[str, nn.Module]) -> FlowmapModel:
    return FlowmapModel(networks["velocity"], networks.get("lora"))  # type: ignore[arg-type]


def _flowsr_sd(networks: Mapping[str, nn.Module]) -> FlowsrSd:
    return FlowsrSd(networks["unet"], networks["vae"], networks["prompts"])  # type: ignore[arg-type]


class Unfit(SrcliError):
    """Networks that a pipeline cannot run."""

    exit_code = 4


PIPELINES: dict[str, Callable[[Mapping[str, nn.Module]], Model]] = {
    "linf": _linf,
    "srflow": _srflow,
    "flowsr": _flowsr,
    "flowmap": _flowmap,
    "flowsr-sd": _flowsr_sd,
    "linf-official": _linf_official,
    "srflow-official": _srflow_official,
    "rrdb": _rrdb,
    "plain": lambda networks: PlainModel(),
}


class NoUpscaler(SrcliError):
    """A model that makes no pictures larger."""

    exit_code = 2


def assemble(pipeline: str, networks: Mapping[str, nn.Module]) -> Model:
    """The model of a pipeline from its networks by role. Raises NoUpscaler, or `Unfit`."""
    if pipeline not in PIPELINES:
        raise NoUpscaler(f"a {pipeline} model makes no pictures larger; use it with srcli degrade")
    try:
        return PIPELINES[pipeline](networks)
    except ValueError as error:
        raise Unfit(f"the weights make no model: {error}") from error
