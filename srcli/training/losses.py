"""Losses on images and patches. Images are RGB in [0, 1]; means over the batch unless said otherwise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from srcli import runtime
from srcli.metrics.lpips import normalise
from srcli.networks.patches import to_patches
from srcli.networks.trunks import Trunk

BT601 = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """BT.601 luma (B, 1, H, W) of RGB (B, 3, H, W)."""
    return (image * image.new_tensor(BT601).view(1, 3, 1, 1)).sum(1, keepdim=True)


def pixel(sr: Tensor, hr: Tensor) -> Tensor:
    """L1 over RGB and over luma, half each: benchmarks judge luma, eyes also see colour."""
    error = sr - hr
    return 0.5 * error.abs().mean() + 0.5 * luma(error).abs().mean()


def log_square(sr: Tensor, hr: Tensor) -> Tensor:
    """Natural logarithm of the mean squared error, over RGB and over luma, half each: PSNR but for factor and sign
    (Chen et al., HINet, 2021). The floor of 1e-5, 50 dB, keeps flat crops from outweighing all others."""
    error = sr - hr
    both = torch.stack([error.square().mean(), luma(error).square().mean()])
    return (both + 1e-5).log().mean()


def patch_periodic(sr: Tensor, hr: Tensor, patch: int = 3, windows: tuple[int, ...] = (4,)) -> Tensor:
    """How much of the error repeats with the patch grid: (B, C, H, W) to a scalar.

    The error of each place within the patch, minus the patch's mean, averaged over windows of n x n patches, for each
    n in `windows`. A grid survives that average, texture does not.
    """
    error = to_patches(sr - hr, patch).unflatten(1, (sr.shape[1], patch * patch))
    error = (error - error.mean(2, keepdim=True)).flatten(1, 2)
    pooled = [F.avg_pool2d(error, n, stride=max(1, n // 2)).abs().mean() for n in windows]
    return torch.stack(pooled).sum()


WEAVE_WINDOWS = (8, 12)


def weave(sr: Tensor, hr: Tensor, patch: int = 4, windows: tuple[int, ...] = WEAVE_WINDOWS) -> Tensor:
    """How much more neighbours differ at some places within patches than at others, compared with the photo. Where the
    pixels of a small picture show as blocks or as a weave, edges of any sign lie at the same places: their mean is 0,
    which `patch_periodic` does not see. The sides are multiples of `patch`, at least the largest window of patches."""
    return patch_periodic(_contrast(sr), _contrast(hr), patch, windows)


def _contrast(image: Tensor) -> Tensor:
    """How much luma differs from the right and from the lower neighbour, (B, 2, H, W)."""
    grey = F.pad(luma(image), (0, 1, 0, 1), mode="replicate")
    here = grey[..., :-1, :-1]
    return torch.cat([(grey[..., :-1, 1:] - here).abs(), (grey[..., 1:, :-1] - here).abs()], 1)


def flatness(image: Tensor, sigma: float, window: int = 7) -> Tensor:
    """Where a picture (B, 3, H, W) in [0, 1] is flat, (B, 1, H, W): 1 / (1 + (s / sigma)^4), s being the standard
    deviation of its grey within the window, in 8-bit steps as `sigma`."""
    grey = F.pad(image.mean(1, keepdim=True), (window // 2,) * 4, mode="reflect")
    mean = F.avg_pool2d(grey, window, 1)
    variance = (F.avg_pool2d(grey.square(), window, 1) - mean.square()).clamp_min(0)
    return 1 / (1 + (variance * (255 / sigma) ** 2).square())


def flat(sr: Tensor, hr: Tensor, sigma: float, photo: Tensor | None = None) -> Tensor:
    """L1 where the photo is flat: noise that was left there, and texture that was invented.

    photo: tells what is flat where `hr` is none.
    """
    return ((sr - hr).abs() * flatness(hr if photo is None else photo, sigma)).mean()


class Perceptual:
    """Distance of unit-normalised activations over all taps of a frozen trunk, not calibrated to human judgement.

    Both images are shifted by 0 to 7 pixels and, three times of four, a part of them is enlarged up to twice before
    the trunk, the same way for all: a pattern tied to the trunk's own strides or to the patch grid earns nothing, and
    dots that pass for texture at one size do not at another.

    floor: added to the squared length of activations, as a share of its mean over the photos; it bounds the gradient
    where activations are weak. (LPIPS-Squeeze has few such places: 0.1 takes an eighth off all gradients.)
    flat: gradients fade where the photo is flatter than this standard deviation (see `flatness`; 0: none). What noise
    remains has activations closer to those of texture than smoothness has, so that it would be kept everywhere.
    """

    def __init__(self, trunk: Trunk, floor: float = 0.0, flat: float = 0.0) -> None:
        self.trunk, self.floor, self.flat = trunk, floor, flat

    def __call__(self, sr: Tensor, hr: Tensor, photo: Tensor | None = None) -> Tensor:
        """One distance per image, (B,). photo: tells what is flat where `hr` is none. Random numbers come from torch's
        global generator."""
        if self.flat:
            sr = torch.lerp(sr, sr.detach(), flatness(hr if photo is None else photo, self.flat))
        both = self.taps(self.moved(torch.cat([sr, hr])))
        return torch.stack([self._distance(*tap.float().chunk(2)) for tap in both]).sum(0)

    def taps(self, images: Tensor) -> list[Tensor]:
        """What the trunk sees in pictures (B, 3, H, W) in [0, 1]."""
        with runtime.mixed(images.device):
            return self.trunk(normalise(images * 2 - 1).contiguous(memory_format=torch.channels_last))

    @staticmethod
    def moved(images: Tensor) -> Tensor:
        """All shifted and enlarged alike."""
        top, left = (int(v) for v in torch.randint(0, 8, (2,)))
        images = images[..., top:, left:]
        if torch.rand(()) < 0.25:
            return images
        size = min(images.shape[-2:])
        part = int(size / (1 + torch.rand(())))
        y, x = (int(v) for v in torch.randint(0, size - part + 1, (2,)))
        return F.interpolate(images[..., y : y + part, x : x + part], size=(size, size), mode="bilinear")

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        b = b.detach()
        least = 1e-12 + self.floor * b.square().sum(1).mean()
        a, b = (x * torch.rsqrt(x.square().sum(1, keepdim=True) + least) for x in (a, b))
        return (a - b).square().sum(1).mean((1, 2))


def relativistic_pair(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic paired GAN loss of the side that wants `real` above `fake` (Jolicoeur-Martineau 2018)."""
    return F.softplus(fake - real).mean()


def charbonnier(sr: Tensor, hr: Tensor, floor: float = 1e-3) -> Tensor:
    """L1 that is smooth near zero: the mean of sqrt(error^2 + floor^2)."""
    return ((sr - hr).square() + floor**2).sqrt().mean()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator from its logits (Lim and Ye 2017); its generator minimises `-fake.mean()`."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
