"""Flow maps in pixels (FlowMapSR, Noble et al. 2026): jumps of any length by one network, with a dial for sharpness."""

from __future__ import annotations

import torch
from torch import Tensor

from srcli.geometry import Window
from srcli.methods.flowmap.lora import Lora, merged
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.flowsr.path import PathModel
from srcli.tiling.model import Sampling, gaussian_field


class FlowmapModel(PathModel):
    """The network is told where a step begins and where it goes to. `Sampling.detail` is the factor of the LoRA:
    0 the network alone, 1 as the change was trained, up to 2 sharper and less faithful. A network with noise
    begins at the enlarged picture with that noise, times the temperature."""

    def __init__(self, network: VelocityNet, lora: Lora | None = None) -> None:
        super().__init__(network)
        if lora is not None and not lora.fits(network):
            raise ValueError("the LoRA belongs to a network of another architecture")
        self.lora = lora
        self.most_detail = 0.0 if lora is None else 2.0
        self.default_temperature, self.samples = (1.0, True) if network.noise else (0.0, False)
        self._changed = (0.0, network)  # the factor asked for last, and the network with that much of the change

    def to(self, device: torch.device) -> FlowmapModel:
        super().to(device)
        if self.lora is not None:
            self.lora.to(device)
        self._changed = (0.0, self.network)
        return self

    def start(self, x: Tensor, area: Window, sampling: Sampling) -> Tensor:
        temperature = self.default_temperature if sampling.temperature is None else sampling.temperature
        if not temperature * self.network.noise:
            return x
        return x + temperature * self.network.noise * gaussian_field(sampling.seed, x.shape[1], area).to(x)

    def velocity(self, x: Tensor, t: float, s: float, sampling: Sampling) -> Tensor:
        return self._at(sampling.detail)(x, x.new_full((1,), t), x.new_full((1,), s))

    def _at(self, factor: float) -> VelocityNet:
        """Transparent pictures alternate between factor 0, for their mask, and another: both are kept."""
        if self.lora is None or factor == 0:
            return self.network
        known, network = self._changed  # at once: another thread may ask for another factor
        if known != factor:
            network = merged(self.network, self.lora, factor)
            self._changed = (factor, network)
        return network
