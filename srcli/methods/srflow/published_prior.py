"""Latent module of SRFlow-LP (Tsao et al. 2024): one U-Net for each latent of the flow.

The published design, with its key names: like the U-Net of LINF-LP, but without a branch for the image. It pools three
times and upsamples with aligned corners, so it has to see whole latent maps.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srcli.networks.latent import DoubleConv, Down, OutConv, Up
from srcli.networks.rrdb import DenseBlock


class SRFlowUNet(nn.Module):
    """Latents (B, channels[i], h_i, w_i) from the normalised latents of the upsampled image. Maps below 8x8 are
    refused: they would be pooled away."""

    def __init__(self, channels: Sequence[int] = (6, 96), width: int = 64) -> None:
        super().__init__()
        d = self.width = width
        self.channels = tuple(channels)
        for number, latent in enumerate(channels):
            parts = {
                "input_proj": DenseBlock(latent, d, d),
                "inc": DoubleConv(d, d),
                "down_layers": nn.ModuleList([Down(d, 2 * d), Down(2 * d, 4 * d), Down(4 * d, 4 * d)]),
                "up_layers": nn.ModuleList([Up(8 * d, 2 * d), Up(4 * d, d), Up(2 * d, d)]),
                "outc": OutConv(d, latent),
            }
            for name, part in parts.items():
                self.add_module(f"{name}{number}", part)

    def fits(self, flow: nn.Module) -> bool:
        """Whether it predicts latents of that flow."""
        return self.channels == tuple(flow.latent_channels)  # type: ignore[arg-type]

    def forward(self, latents: Sequence[Tensor]) -> list[Tensor]:
        if len(latents) != len(self.channels) or min(min(z.shape[-2:]) for z in latents) < 8:
            shapes = [tuple(z.shape) for z in latents]
            raise ValueError(f"expected {len(self.channels)} latent maps of at least 8x8, got {shapes}")
        return [self._one(z, number) for number, z in enumerate(latents)]

    def _one(self, z: Tensor, number: int) -> Tensor:
        project, inc, downs, ups, out = (
            self.get_submodule(f"{name}{number}") for name in ("input_proj", "inc", "down_layers", "up_layers", "outc")
        )
        levels = [inc(project(z))]
        for down in downs.children():
            levels.append(down(levels[-1]))
        y = levels.pop()
        for up in ups.children():
            y = up(y, levels.pop())
        return out(y)
