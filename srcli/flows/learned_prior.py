"""The learned prior of LINF-LP and SRFlow-LP (Tsao et al. 2024): a network predicts the latent that a flow decodes.

In place of z drawn from a normal distribution at some temperature, z = G(x) of the low-resolution picture x, and the
picture is the flow's inverse of it. What the published G starts from is the latent of the upsampled picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def lost_detail(up: Tensor, low: tuple[int, int]) -> Tensor:
    """LINF-LP, Tsao et al. 2024, initial latent, as published: what an upsampling loses on the way down and up again.

    up: the bilinear upsampling, (B, 3, H, W). low: height and width of the small picture. The flow's latent of this
    residual is what the published latent module starts from. Returns (B, 3, H, W).
    """
    size = (up.shape[-2], up.shape[-1])
    down = F.interpolate(up, low, mode="bilinear", align_corners=False)
    return up - F.interpolate(down, size, mode="bilinear", align_corners=False)


def normalised(latent: Tensor) -> Tensor:
    """SRFlow-LP, Tsao et al. 2024, input of the latent module, as published: (z - mean) / (std + 1e-8).

    latent: (B, C, h, w). Mean and standard deviation (unbiased) are those of the channels at each position.
    """
    centred = latent - latent.mean(1, keepdim=True)
    return centred / (latent.std(1, keepdim=True) + 1e-8)


def perceptual_loss(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """LINF-LP, Tsao et al. 2024, perceptual loss, as published: L1 between features of the picture and of the photo.

    made, wanted: (B, C, h, w), one for each tap of the frozen trunk (the paper's: one, VGG19 conv5_4). The mean over
    the values of each tap, then over taps. Weight 1; our recipes have the trunk and distance of LPIPS in its place.
    """
    return _l1(made, wanted)


def latent_loss(predicted: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """SRFlow-LP, Tsao et al. 2024, eq. 8: L1 between the predicted latent and the latent of the photo.

    predicted, wanted: (B, C, h, w), one for each level of the flow. The mean over the values of each level, then over
    levels. The paper's weight of it beside the losses of the picture is 0.1.
    """
    return _l1(predicted, wanted)


def _l1(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """The mean absolute difference of each pair, and the mean of those."""
    gaps = [(a - b).abs().mean() for a, b in zip(made, wanted, strict=True)]
    return torch.stack(gaps).mean()
