"""Sub-pixel convolutions to a few whole scales, from which the upsampling to any scale is interpolated."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F

from srcli.geometry import Size, mean_scale
from srcli.networks.edsr import conv3x3
from srcli.resampling import bilinear


class Anchors(nn.ModuleDict):
    """For each factor k, a sub-pixel convolution (Shi et al. 2016) from the encoder's features to a residual of k times
    the size: what the upsampling needs on top of bilinear. A scale between two factors mixes both; below the smallest
    and above the largest that one alone is resized.

    A linear layer with a fixed place in the LR pixel for every output learns in hundreds of steps what an implicit
    function, asked at ever-changing offsets, needs tens of thousands for; the flow is left with the rest.
    """

    def __init__(self, features: int, factors: Iterable[int] = ()) -> None:
        super().__init__({str(k): conv3x3(features, 3 * k * k) for k in sorted(factors)})
        for conv in self.children():
            nn.init.zeros_(conv.weight)  # type: ignore[arg-type]
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def shares(self, scale: float) -> dict[int, float]:
        """Weights of the factors that a scale is interpolated from; they sum to 1. Empty without anchors."""
        factors = [int(k) for k in self]
        if not factors:
            return {}
        scale = min(max(scale, factors[0]), factors[-1])
        upper = next(k for k in factors if k >= scale)
        if upper == scale:
            return {upper: 1.0}
        lower = max(k for k in factors if k < scale)
        share = (scale - lower) / (upper - lower)
        return {lower: 1 - share, upper: share}

    def forward(self, features: Tensor, factors: Iterable[int]) -> dict[int, Tensor]:
        """Features (B, F, h, w) to float32 residuals (B, 3, k * h, k * w) in units of half the picture's range."""
        return {k: F.pixel_shuffle(self[str(k)](features).float(), k) for k in factors}

    def picture(self, lr: Tensor, residuals: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        """The upsampling of a whole picture (B, 3, h, w) in [0, 1] to (B, 3, *size). Differentiable."""
        picture = bilinear(lr, size)
        scale = mean_scale(Size(*size), Size(*lr.shape[-2:]))
        for factor, share in self.shares(scale).items():
            picture = picture + bilinear(residuals[factor], size) * (share / 2)
        return picture
