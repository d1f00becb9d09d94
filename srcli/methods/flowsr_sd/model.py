"""FlowSR as published (arXiv:2605.12377, ICCV 2025): a rectified flow in the latents of Stable Diffusion 2.1.

The autoencoder and the U-Net normalise over all that they see, so large pictures are made in overlapping tiles that are
blended: close to the whole picture at once, not equal to it. The tiles lie on a fixed grid, so that the window that is
asked for changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from srcli.geometry import Size, Window
from srcli.methods.flowsr.colour import WAVELET_RADIUS, Moments, Tint, wavelet
from srcli.methods.flowsr_sd import tiles as sd_tiling
from srcli.methods.flowsr_sd.text_encoder import Prompts
from srcli.methods.flowsr_sd.tiles import Grid, blended
from srcli.resampling import enlarge, interpolate, linear_taps
from srcli.tiling.model import Decoded, KeepsPicture, Sampling, Scales, Stages, gaussian_field

FACTOR = 8  # pixels to a latent pixel
ALIGN = 64  # pixels: the U-Net halves the latents three times
CHANNELS = 4  # of latents
SHIFT = 3.0
ONCE = 1000  # times in the units that the U-Net knows


def schedule(steps: int) -> list[float]:
    """Sigmas from 1 to 0, `steps` + 1 of them; the U-Net is told 1000 sigma. The shift of Stable Diffusion 3 is applied
    to the ends of the range and once more to what lies between, as the published scheduler does: the last step is
    short."""

    def shifted(u: float) -> float:
        return SHIFT * u / (1 + (SHIFT - 1) * u)

    least = shifted(1 / ONCE)
    return [*(shifted(1 + k / max(1, steps - 1) * (least - 1)) for k in range(steps)), 0.0]


@dataclass(slots=True)
class Restored:
    """The end of the flow, (1, 4, h, w), what has been decoded of it that later windows may need, and the colour
    fix."""

    latent: Tensor
    tiles: dict[Window, Tensor] = field(default_factory=dict)
    tint: Tint | None = None


@dataclass(slots=True)
class SdFeatures:
    """The low-resolution picture (1, 3, h, w) in [0, 1], and the last that was made of it, so that the flow runs once
    for all windows."""

    lr: Tensor
    key: tuple = ()
    restored: Restored | None = None


class FlowsrSd(KeepsPicture):
    """Any scale from 1 to 8: the picture is enlarged first. Temperature scales the noise of the encoder's sample; at 0
    it is the mean. Detail mixes with the bicubic enlargement, which is all there is at 0.

    unet and vae: `UNet2DConditionModel` and `AutoencoderKL` of diffusers, or what behaves like them. guidance: above 1
    the U-Net is also asked for the negative prompt, and the difference is multiplied. side: of tiles, in latent pixels;
    they overlap by a third in the flow and by a sixth in the autoencoder, which takes most of the time. tiles: other
    tiles for the flow, for parity.
    """

    scales = Scales(1.0, 8.0)
    tiling = "bounded"
    default_colour = "wavelet"
    default_temperature = 1.0
    most_detail = 1.0
    samples = True

    def __init__(
        self,
        unet: nn.Module,
        vae: nn.Module,
        prompts: Prompts,
        *,
        guidance: float = 1.0,
        side: int = sd_tiling.SIDE,
        tiles: Callable[[Size], Grid] | None = None,
    ) -> None:
        self.unet, self.vae, self.prompts = unet, vae, prompts
        self.guidance, self.side = guidance, side
        self.tiles = tiles or partial(sd_tiling.even, side=side, overlap=side // 3)
        self.scaling = float(vae.config.scaling_factor)  # type: ignore[union-attr, arg-type]
        self.stages = Stages()

    def to(self, device: torch.device) -> FlowsrSd:
        """Moves the model; returns itself."""
        for network in (self.unet, self.vae, self.prompts):
            network.to(device)
        return self

    # --- tiling facts ---

    def decode_bytes(self, window: Window, size: Size, sampling: Sampling) -> int:
        """Working memory that a window takes, roughly, beside that of one tile, which is about 2 GB in float32 whatever
        the picture."""
        return 4 * 3 * 9 * (window.height + 2 * WAVELET_RADIUS) * (window.width + 2 * WAVELET_RADIUS)

    # --- the picture ---

    def encode(
        self, lr: Tensor, size: Size, region: Window | None = None, sampling: Sampling | None = None
    ) -> SdFeatures:
        return SdFeatures(lr)

    def decode(self, features: SdFeatures, window: Window, size: Size, sampling: Sampling) -> Decoded:
        fix = sampling.colour or self.default_colour
        area = window.within(size, WAVELET_RADIUS if fix == "wavelet" and sampling.detail else 0)
        with self.stages("enlarge"):
            reference = enlarge(features.lr, *_positions(area), size)
        if not sampling.detail:
            return Decoded(reference)
        restored = self._restored(features, size, sampling)
        made = self._picture(restored, area, size)
        with self.stages("colour"):
            if fix == "wavelet":
                made = wavelet(made, reference)
            elif fix == "adain":
                made = self._tint(features, restored, size)(made)
        if sampling.detail != 1:
            made = reference + (made - reference) * sampling.detail
        return Decoded(window.cut(made, area))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the latents of (1, 3, H, W) in [-1, 1], not scaled."""
        found = self.vae.encode(x).latent_dist  # type: ignore[operator]
        return found.mean.float(), found.std.float()

    def flow(self, z: Tensor, steps: int) -> Tensor:
        """Euler steps from the latents of the enlarged picture to those of the sharp one, (1, 4, h, w) both. The output
        of the U-Net is the velocity."""
        size = Size(*z.shape[-2:])
        grid = self.tiles(size)
        for sigma, after in pairwise(schedule(steps)):
            ask = partial(self.velocity, z, z.new_tensor(ONCE * sigma))
            z = z + (after - sigma) * blended(grid, Window.whole(size), CHANNELS, ask, z)
        return z

    def velocity(self, z: Tensor, time: Tensor, window: Window) -> Tensor:
        """What the U-Net says for a window of latents at a time from 0 to 1000, with guidance."""

        def asked(prompt: Tensor) -> Tensor:
            return self.unet(window.cut(z), time, encoder_hidden_states=prompt).sample.float()

        wanted = asked(self.prompts.positive)
        if self.guidance <= 1:
            return wanted
        other = asked(self.prompts.negative)
        return other + self.guidance * (wanted - other)

    def decoded(self, z: Tensor) -> Tensor:
        """Latents (1, 4, h, w) to a picture (1, 3, 8 h, 8 w) in [0, 1]."""
        return (self.vae.decode(z / self.scaling).sample.float() * 0.5 + 0.5).clamp(0, 1)  # type: ignore[operator]

    # --- by tiles ---

    def _restored(self, features: SdFeatures, size: Size, sampling: Sampling) -> Restored:
        """The end of the flow for the whole picture, made at the first window."""
        key = (size, sampling.seed, sampling.steps, sampling.temperature)
        if features.restored is None or features.key != key:
            with self.stages("encode"):
                start = self._start(features.lr, size, sampling)
            with self.stages("flow"):
                features.key, features.restored = key, Restored(self.flow(start, sampling.steps))
        return features.restored

    def _start(self, lr: Tensor, size: Size, sampling: Sampling) -> Tensor:
        """Latents of the enlarged picture: their mean, or a sample with noise that depends on seed and place alone."""
        latent = _latents(size)
        everything = Window.whole(latent)
        temperature = self.default_temperature if sampling.temperature is None else sampling.temperature

        def tile(window: Window) -> Tensor:
            return torch.cat(self.posterior(bilinear_window(lr, window.scaled(FACTOR), size)), 1)

        grid = sd_tiling.even(latent, self.side, self.side // 6)
        mean, deviation = blended(grid, everything, 2 * CHANNELS, tile, lr).chunk(2, 1)
        if temperature:
            noise = gaussian_field(sampling.seed, CHANNELS, everything)[None].to(lr.device)
            mean = mean + temperature * deviation * noise
        return mean * self.scaling

    def _picture(self, restored: Restored, window: Window, size: Size) -> Tensor:
        """A window of what the autoencoder makes of the end of the flow, in [0, 1]."""
        # Windows come from top to bottom: tiles that end above this one are not asked for again.
        tiles = restored.tiles = {place: made for place, made in restored.tiles.items() if place.bottom > window.top}

        def tile(place: Window) -> Tensor:
            if place not in tiles:
                tiles[place] = self.decoded(place.scaled(1 / FACTOR).cut(restored.latent))
            return tiles[place]

        with self.stages("decode"):
            grid = sd_tiling.even(_latents(size), self.side, self.side // 6, FACTOR)
            return blended(grid, window, 3, tile, restored.latent)

    def _tint(self, features: SdFeatures, restored: Restored, size: Size) -> Tint:
        """From mean and spread of the whole picture to those of its enlargement: that takes a look at all tiles."""
        if restored.tint is None:
            made, reference = Moments(), Moments()
            rows = FACTOR * self.side
            for top in range(0, size.height, rows):
                window = Window(top, 0, min(rows, size.height - top), size.width)
                made.add(self._picture(restored, window, size))
                reference.add(enlarge(features.lr, *_positions(window), size))
            restored.tint = made.tint(reference, features.lr.device)
        return restored.tint


def bilinear_window(lr: Tensor, window: Window, size: Size) -> Tensor:
    """What the encoder sees, in [-1, 1]: a window of lr (1, 3, h, w) enlarged to `size`, bilinear, and continued at the
    right and bottom to whole blocks of 64 pixels: mirrored, or repeated where the picture is smaller than that."""
    lines = []
    for positions, length in zip(_positions(window), (size.height, size.width), strict=True):
        mirror = 2 * (length - 1) - positions if -length % ALIGN < length else torch.full_like(positions, length - 1)
        lines.append(torch.where(positions < length, positions, mirror))
    first = [int(places.min()) for places in lines]
    stencils = [
        linear_taps(torch.arange(start, int(places.max()) + 1), low, high)
        for start, places, low, high in zip(first, lines, lr.shape[-2:], (size.height, size.width), strict=True)
    ]
    image = interpolate(lr.float(), *stencils)
    rows, cols = ((places - start).to(lr.device) for places, start in zip(lines, first, strict=True))
    return image.index_select(2, rows).index_select(3, cols) * 2 - 1


def _positions(window: Window) -> tuple[Tensor, Tensor]:
    return torch.arange(window.top, window.bottom), torch.arange(window.left, window.right)


def _latents(size: Size) -> Size:
    """Latents of a picture of that size with what it is continued by."""
    return Size(*(-(-n // ALIGN) * ALIGN // FACTOR for n in (size.height, size.width)))
