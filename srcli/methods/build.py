"""Architectures as data: a table with `kind` and hyper-parameters becomes a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from srcli.methods.degflow.autoencoder import Autoencoder
from srcli.methods.degflow.network import NCSNpp
from srcli.methods.flowmap.lora import Lora
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.linf.network import LINF
from srcli.methods.linf.prior import GridPrior
from srcli.methods.srflow.network import SRFlow, StackedRRDB
from srcli.methods.srflow.prior import LevelPrior
from srcli.methods.srflow.published_prior import SRFlowUNet
from srcli.networks.edsr import EDSR
from srcli.networks.latent import EDSRLatent, UNet
from srcli.networks.rdn import RDN
from srcli.networks.rrdb import RRDB
from srcli.networks.swin import SwinLatent
from srcli.networks.swinir import SwinIR
from srcli.networks.trunks import Heads, trunk


def _linf(encoder: Mapping[str, Any], **parameters: Any) -> LINF:
    return LINF(build(encoder), **parameters)


def _lora(network: Mapping[str, Any], **parameters: Any) -> Lora:
    with torch.device("meta"):  # its shapes are wanted, not its weights
        shapes = build(network)
    return Lora(shapes, **parameters)


KINDS: dict[str, Callable[..., nn.Module]] = {
    "edsr": EDSR,
    "rrdb": RRDB,
    "rdn": RDN,
    "swinir": SwinIR,
    "linf": _linf,
    "grid-prior": GridPrior,
    "unet-latent": UNet,
    "edsr-latent": EDSRLatent,
    "swin-latent": SwinLatent,
    "srflow-rrdb": StackedRRDB,
    "srflow": SRFlow,
    "srflow-unet": SRFlowUNet,
    "level-prior": LevelPrior,
    "velocity": VelocityNet,
    "trunk": trunk,
    "lpips-heads": Heads,
    "lora": _lora,
    "degflow-ae": Autoencoder,
    "ncsnpp": NCSNpp,
}


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The network that `architecture` describes, e.g. {"kind": "edsr", "blocks": 10, "features": 48}."""
    parameters = dict(architecture)
    kind = parameters.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"unknown architecture kind {kind!r}; known: {', '.join(KINDS)}")
    return KINDS[kind](**parameters)
