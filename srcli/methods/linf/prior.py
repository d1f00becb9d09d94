"""Our learned prior: a small U-Net on the grid of patches that can be run in strips.

The published latent modules get an initial latent and look at the LR image through a stride-3 convolution; here the
frozen flow already has what is needed at every query: the last hidden activations of its MLP. One level of pooling,
plain convolutions, nearest upsampling: the receptive field is finite and position-independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import ResBlock, conv3x3
from srcli.networks.trainable import Trainable

SLOPE = 0.1  # of the rectifiers below zero


class GridPrior(Trainable):
    """LINF-LP, Tsao et al. 2024, learned prior, in a form of ours: z = G(x), the latent of every patch.

    From the flow's hidden activations (B, hidden, h, w) and the size of an output pixel (B, 2), as (y, x) with an LR
    pixel 2 long and best on the CPU, where it is read, to (B, D, h, w). h and w of any size; strips start at even rows.

    gains: pairs of a scale and a factor of the latent there, interpolated between; a calibration for inference, left
    out while training.
    """

    def __init__(
        self, channels: int = 27, hidden: int = 96, width: int = 48, fine: int = 1, coarse_width: int = 64,
        coarse: int = 4, gains: Sequence[tuple[float, float]] = ((1.0, 1.0),),
    ) -> None:  # fmt: skip
        super().__init__()
        self.gains = np.array(gains, np.float64).T  # scales, factors
        self.from_hidden = nn.Conv2d(hidden, width, 1)
        self.scale = nn.Linear(2, width, bias=False)
        self.before = nn.Sequential(*(ResBlock(width, slope=SLOPE) for _ in range(fine)))
        self.down = nn.Conv2d(width, coarse_width, 2, stride=2)
        self.coarse = nn.Sequential(*(ResBlock(coarse_width, slope=SLOPE) for _ in range(coarse)))
        self.up = nn.Conv2d(coarse_width, width, 1)
        self.after = nn.Sequential(*(ResBlock(width, slope=SLOPE) for _ in range(fine)))
        self.out = conv3x3(width, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        # Patches on each side that influence a latent: fine blocks, coarse blocks at twice the step, the last layer;
        # one more for the phase of the 2x2 pooling.
        self.radius = 4 * fine + 2 * (2 * coarse) + 1 + 1
        self.align = 2
        self.outputs = ("out",)

    def fits(self, flow: nn.Module) -> bool:
        """Whether it predicts latents of that flow."""
        return (self.from_hidden.in_channels, self.out.out_channels) == (flow.hidden, flow.imnet.dim)

    def raw(self, hidden: Tensor, cell: Tensor) -> Tensor:
        """The latent without its gain."""
        h, w = hidden.shape[-2:]
        x = self.from_hidden(hidden).add_(self.scale(cell.to(hidden.device))[:, :, None, None])
        if torch.compiler.is_exporting() or h % 2 or w % 2:  # a graph is for even and odd numbers
            x = F.pad(x, (0, w % 2, 0, h % 2))
        x = self.before(F.leaky_relu(x, SLOPE, inplace=True))
        y = F.interpolate(self.up(self.coarse(self.down(x))), scale_factor=2.0, mode="nearest")
        x = self.after(y.add_(x))
        return self.out(x)[..., :h, :w].float()

    def forward(self, hidden: Tensor, cell: Tensor) -> Tensor:
        z = self.raw(hidden, cell)
        if self.training:
            return z
        scale = 2 / cell.detach().double().cpu().prod(1).sqrt().numpy()
        return z * z.new_tensor(np.interp(scale, self.gains[0], self.gains[1])).view(-1, 1, 1, 1)
