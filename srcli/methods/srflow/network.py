"""SRFlow (Lugmayr et al., ECCV 2020): a conditional Glow on the features of an RRDB, for one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.methods.srflow.folded import OFFICIAL, Bounds, Level
from srcli.methods.srflow.glow import Invertible, Split, Step
from srcli.networks.edsr import conv3x3
from srcli.networks.rrdb import StackedRRDB
from srcli.networks.trainable import Trainable

PLAIN_STEPS = 2  # steps without a coupling at the start of each level


class ConditionalGlow(nn.Module):
    """The layers of the flow in the order of encoding, under their official numbers: in each level a squeeze, steps
    without coupling, `steps` with, and a split but in the last two levels."""

    def __init__(
        self, levels: int, steps: int, condition: int, hidden: int, slope: float, bounds: Bounds, spare: bool
    ) -> None:
        super().__init__()
        self.layers, self.channels = nn.ModuleList(), 3
        for level in range(1, levels + 1):
            self.channels *= 4
            self.layers.append(nn.Identity())  # the squeeze
            self.layers.extend(Step(self.channels) for _ in range(PLAIN_STEPS))
            self.layers.extend(Step(self.channels, condition, hidden, slope, bounds) for _ in range(steps))
            if level < levels - 1:
                self.layers.append(Split(self.channels, bounds))
                self.channels //= 2
        if spare:  # in official state dicts, unused
            self.f = nn.Sequential(conv3x3(condition, 96))

    def encode(self, picture: Tensor, maps: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """SRFlow, Lugmayr et al. 2020, architecture: z = f(y; x), squeeze, steps and split in each level.

        picture: y, (B, 3, H, W). maps: the features that each level sees, finest first. Returns the latents, finest
        first, and the log-determinant (B,) with the log-probability of all but the last latent. `SRFlow.encode` runs
        the folded levels, which give the same.
        """
        z, features, waiting = picture, picture, iter(maps)
        latents, log_det = [], picture.new_zeros(len(picture))
        for layer in self.layers:
            if isinstance(layer, Step):
                z, more = layer.encode(z, features)
                log_det = log_det + more
            elif isinstance(layer, Split):
                z, eps, more = layer.encode(z)
                log_det = log_det + more
                latents.append(eps)
            else:
                z, features = F.pixel_unshuffle(z, 2), next(waiting)
        return [*latents, z], log_det

    def decode(self, latents: Sequence[Tensor], maps: Sequence[Tensor]) -> Tensor:
        """SRFlow, Lugmayr et al. 2020, architecture: y = f^-1(z; x), the inverse of `encode`, the last layer first."""
        (*left, z), waiting = latents, list(maps)
        features = waiting.pop()
        for layer in reversed(self.layers):
            if isinstance(layer, Step):
                z = layer.decode(z, features)
            elif isinstance(layer, Split):
                z = layer.decode(z, left.pop())
            else:
                z, features = F.pixel_shuffle(z, 2), waiting.pop() if waiting else features
        return z

    def fold(self, inverse: bool = False) -> list[Level]:
        """The levels ready to run, finest first; with `inverse`, ready to decode too."""
        levels: list[Level] = []
        for layer in self.layers:
            if isinstance(layer, Step):
                levels[-1].steps.append(layer.fold(inverse))
            elif isinstance(layer, Split):
                levels[-1] = Level(levels[-1].steps, layer.fold())
            else:
                levels.append(Level([], None))
        return levels


class SRFlow(Trainable):
    """Encode a picture given its small version, or decode one from latents. Key names are the official ones.

    scale: 4 or 8. stacked: RRDB blocks whose outputs the flow sees too. steps: K, in each of log2(scale) + 1 levels.
    least_scales, reach: see `Bounds`. centred: ours; the flow models what the upsampling leaves (bilinear plus a
    sub-pixel convolution of the features) instead of the picture, and unused layers are left out. Images are in [0, 1],
    small ones with even sides.
    """

    def __init__(
        self, *, scale: int = 4, blocks: int = 23, features: int = 64, growth: int = 32,
        stacked: Sequence[int] = (1, 8, 15, 22), steps: int = 16, hidden: int = 64, slope: float = 0.0,
        least_scales: Sequence[float] = OFFICIAL.least, reach: float = OFFICIAL.reach, centred: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if scale not in (4, 8):
            raise ValueError(f"SRFlow has a scale of 4 or 8, not {scale}")
        doublings = round(math.log2(scale))
        self.scale, self.centred, self.steps = scale, centred, steps
        self.RRDB = StackedRRDB(blocks, features, growth, stacked, doublings - centred, not centred)
        of_features, of_own = least_scales
        bounds = Bounds((of_features, of_own), reach)
        self.flowUpsamplerNet = ConditionalGlow(
            doublings + 1, steps, self.RRDB.channels, hidden, slope, bounds, spare=not centred
        )
        if centred:
            self.upsampling = conv3x3(features, 3 * scale**2)
            nn.init.zeros_(self.upsampling.weight)
            nn.init.zeros_(self.upsampling.bias)  # type: ignore[arg-type]
        # Size of a level's map in LR pixels, finest first.
        self.ratios = [scale / 2**level for level in range(1, doublings + 2)]
        self.outputs = ("upsampling", *(name for name in self._names() if name.endswith((".4", ".conv"))))

    def float32_parameters(self) -> frozenset[str]:
        """The flow's linear layers: their inverses amplify rounding."""
        return self.parameters_below(*(m for m in self.flowUpsamplerNet.modules() if isinstance(m, Invertible)))

    def _names(self) -> list[str]:
        return [name for name, _ in self.flowUpsamplerNet.named_modules(prefix="flowUpsamplerNet")]

    @property
    def radius(self) -> int:
        """LR pixels around a pixel that influence its features."""
        return self.RRDB.radius

    @property
    def latent_channels(self) -> list[int]:
        """Of the latents: one for each split, finest first, and the last z."""
        splits = [layer.conv.out_channels // 2 for layer in self.flowUpsamplerNet.layers if isinstance(layer, Split)]
        return [*splits, self.flowUpsamplerNet.channels]

    def features(self, lr: Tensor) -> Tensor:
        """(B, channels, h, w) of the small image."""
        return self.RRDB(lr.contiguous(memory_format=torch.channels_last))

    def maps(self, features: Tensor) -> list[Tensor]:
        """What each level of the flow sees, finest first."""
        if features.shape[2] % 2 or features.shape[3] % 2:
            raise ValueError(f"expected an image with even sides, got {tuple(features.shape[-2:])}")
        return [self.RRDB.maps(features, ratio) for ratio in self.ratios]

    def base(self, lr: Tensor, features: Tensor) -> Tensor:
        """The upsampling (B, 3, scale * h, scale * w) that a centred flow is centred on."""
        up = F.interpolate(lr, scale_factor=float(self.scale), mode="bilinear", align_corners=False)
        return up + F.pixel_shuffle(self.upsampling(features[:, : self.RRDB.features]).float(), self.scale)

    def encode(
        self, picture: Tensor, maps: Sequence[Tensor], levels: Sequence[Level] | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Latents, finest first, and the log-determinant (B,), with the log-probability of all but the last latent.
        picture: what the flow models. levels: those of `fold`, where they are at hand."""
        z, latents, log_det = picture, [], picture.new_zeros(len(picture))
        for level, features in zip(levels or self.flowUpsamplerNet.fold(), maps, strict=True):
            z, eps, more = level.encode(z, features)
            log_det = log_det + more
            latents += [] if eps is None else [eps]
        return [*latents, z], log_det

    def decode(
        self, latents: Sequence[Tensor], maps: Sequence[Tensor], levels: Sequence[Level] | None = None
    ) -> Tensor:
        """What the flow models, from latents, finest first."""
        *splits, z = latents
        for level, features in zip(reversed(levels or self.flowUpsamplerNet.fold(True)), reversed(maps), strict=True):
            z = level.decode(z, splits.pop() if level.split else None, features)
        return z

    @torch.no_grad()
    def initialise(self, picture: Tensor, maps: Sequence[Tensor]) -> None:
        """Norms of the flow from a first batch (Kingma and Dhariwal 2018, section 3.1)."""
        z, features, waiting = picture, picture, iter(maps)
        for layer in self.flowUpsamplerNet.layers:
            if isinstance(layer, Step):
                z = layer.initialise(z, features)
            elif isinstance(layer, Split):
                z = z[:, : z.shape[1] // 2]
            else:
                z, features = F.pixel_unshuffle(z, 2), next(waiting).float()
