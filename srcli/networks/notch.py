"""A notch filter that removes the grid of patch-wise models: patterns that repeat from patch to patch.

Each patch is made from its own latent, so a small bias of the network, such as a first column that is always a little
too bright, becomes a pattern of period p across the picture. Averaged over 17 patches, a bias remains and texture does
not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Notch(nn.Module):
    """Remove the grid from patches (B, h, w, D), D = 3 p^2, with channel index c * p^2 + dy * p + dx.

    For each row of pixels, the deviations of a patch's p pixels from their mean are averaged over 17 patches (the outer
    two count half) and subtracted; likewise for columns. Fewer patches are averaged near the border. Linear, in
    float32; a patch depends on those within `radius` on each side.
    """

    radius = 8

    def __init__(self, patch: int) -> None:
        super().__init__()
        each, deviation = torch.eye(patch), torch.eye(patch) - 1 / patch
        for name, matrix in (
            ("along_rows", torch.kron(each, deviation)),
            ("along_columns", torch.kron(deviation, each)),
        ):
            self.register_buffer(name, -torch.block_diag(matrix, matrix, matrix), persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        with torch.autocast(patches.device.type, enabled=False):
            for dim, name in ((2, "along_rows"), (1, "along_columns")):
                # How many are averaged is counted on the CPU, not by a dozen kernels on a GPU.
                count = self._sum(torch.ones([n if i == dim else 1 for i, n in enumerate(patches.shape)]), dim)
                average = self._sum(patches, dim).mul_(count.reciprocal_().to(patches)).flatten(0, 2)
                away = self.get_buffer(name).to(patches.dtype)
                patches = torch.addmm(patches.flatten(0, 2), average, away).view(patches.shape)
        return patches

    def _sum(self, x: Tensor, dim: int) -> Tensor:
        """Sum over neighbours along a dimension, in the same order everywhere, so that tiles equal the whole."""
        beyond = x.new_zeros([self.radius if i == dim else n for i, n in enumerate(x.shape)])
        total = torch.cat([beyond, x, beyond], dim)
        for step in (1, 2, 4, 8, 1):
            length = total.shape[dim] - step
            total = total.narrow(dim, 0, length) + total.narrow(dim, step, length)
        return total
