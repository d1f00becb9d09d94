"""The public Python API, and the only place where images, tiles, models and weights meet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srcli import runtime, tiling
from srcli.errors import OutOfMemory, SrcliError
from srcli.geometry import Size, Target, TargetError, Window
from srcli.images.picture import Picture, bleed
from srcli.images.read import from_pil
from srcli.images.write import to_pil
from srcli.pipelines.base import Model, Sampling
from srcli.pipelines.colour import FIXES
from srcli.pipelines.registry import assemble
from srcli.weights import manifest, store

Progress = Callable[[int, int], None]
MOST_STEPS = 100
Kind = TypeVar("Kind", Image.Image, np.ndarray)


class NotFinite(SrcliError):
    """A picture for which the model gives no finite numbers, not even in float32."""


@dataclass(frozen=True, slots=True)
class Upscaled:
    """A result and how it was made."""

    picture: Picture
    seconds: float
    tiles: int
    redone_tiles: int  # tiles that were not finite at the chosen precision and were made again in float32


class Upscaler:
    """A model ready to run. The network is loaded once and used for any number of pictures.

    model: a name or alias from the manifest (`srcli doctor` lists them); None for the default. device: auto, cpu, cuda,
    cuda:N, mps. precision: auto, fp32, bf16, fp16. tile: side of a tile in output pixels, 0 to choose by memory.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        tile: int = 0,
    ) -> None:
        self.entry = manifest.load().find(model)
        self.runtime = runtime.choose(device, precision)
        self.threads = runtime.set_threads(threads)
        if tile < 0 or 0 < tile < 16:
            raise TargetError(f"a tile has at least 16 pixels a side (0: chosen by memory), not {tile}")
        self.tile = tile
        networks = {role: store.load_network(store.locate(part)) for role, part in self.entry.parts.items()}
        self.model: Model = assemble(self.entry.pipeline, networks).to(self.runtime.device)

    def upscale(
        self,
        image: Kind,
        scale: float | None = None,
        *,
        target: Target | None = None,
        detail: float = 1.0,
        temperature: float = 0.0,
        seed: int = 0,
        steps: int = 1,
        colour: str | None = None,
    ) -> Kind:
        """A larger version of a picture: Pillow image to Pillow image, uint8 array (H, W[, C]) to array.

        Give `scale` (1 to 8) or a `Target`. detail: 0 (the flow's mean, most faithful) to 1 (the learned prior).
        temperature and seed: for models without a prior. steps and colour (none, wavelet, adain): for rectified flows.
        Raises `SrcliError` with one sentence.
        """
        if (scale is None) == (target is None):
            raise TargetError("give either a scale or a target")
        wanted = target or Target(scale=scale)
        sampling = Sampling(detail, temperature, seed, steps, colour)
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size or image[0, 0].size > 4:
                raise SrcliError(f"expected a uint8 array (H, W[, 1 to 4]), got {image.dtype} {image.shape}")
            flat = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
            result = to_pil(self.run(from_pil(Image.fromarray(flat)), wanted, sampling).picture)
            return np.array(result).reshape(result.height, result.width, *image.shape[2:])
        return to_pil(self.run(from_pil(image), wanted, sampling).picture)

    def check_target(self, target: Target) -> None:
        """Raise `TargetError` for a scale that the model does not make, before any picture is read."""
        low, high = self.model.scales.low, self.model.scales.high
        if target.scale is not None and not low <= target.scale <= high:
            raise TargetError(f"scale {target.scale:g} is outside {low:g} to {high:g}, what {self.entry.name} makes")

    def size_for(self, source: Size, target: Target) -> Size:
        """The output size, checked against the scales of the model."""
        self.check_target(target)
        size = target.size(source)
        if target.scale is not None:
            return size
        low, high = self.model.scales.low, self.model.scales.high
        for side, wanted, given in (("high", size.height, source.height), ("wide", size.width, source.width)):
            # Half a pixel of rounding may push a size just over the limit.
            if not low * given - 0.5 <= wanted <= high * given + 0.5:
                raise TargetError(
                    f"{given} to {wanted} pixels {side} is a scale of {wanted / given:.4g}; "
                    f"{self.entry.name} makes {low:g} to {high:g}"
                )
        return size

    def run(
        self,
        picture: Picture,
        target: Target,
        sampling: Sampling | None = None,
        progress: Progress = lambda done, total: None,
    ) -> Upscaled:
        """Upscale a decoded picture. `progress` is told the output pixels done and in all."""
        start = time.perf_counter()
        sampling = check(sampling or Sampling())
        size = self.size_for(picture.size, target)
        alpha = picture.alpha
        whole = alpha is None or bool((alpha == alpha.flat[0]).all())
        total = size.height * size.width * (1 if whole else 2)
        done = 0

        def advance(pixels: int) -> None:
            nonlocal done
            done += pixels
            progress(done, total)

        colour = picture.colour if alpha is None else bleed(picture.colour, alpha)
        job = _Job(self, size, sampling, advance)
        large = job.run(colour)
        if alpha is not None and whole:
            alpha = np.full((size.height, size.width), alpha.flat[0], np.uint8)
        elif alpha is not None:
            # Masks want the faithful answer: invented texture would be holes.
            faithful = replace(job, sampling=replace(sampling, detail=0.0, temperature=0.0))
            alpha = faithful.run(alpha[..., None])[..., 0]
            job.tiles, job.redone = job.tiles + faithful.tiles, job.redone + faithful.redone
        result = replace(picture, colour=large, alpha=alpha)
        return Upscaled(result, time.perf_counter() - start, job.tiles, job.redone)


def check(sampling: Sampling) -> Sampling:
    """The same sampling, or a `TargetError` for values without meaning."""
    if not 0 <= sampling.detail <= 1:
        raise TargetError(f"detail goes from 0 to 1, not {sampling.detail:g}")
    if not 0 <= sampling.temperature <= 2:
        raise TargetError(f"temperature goes from 0 to 2, not {sampling.temperature:g}")
    if sampling.seed < 0:
        raise TargetError(f"a seed is not negative, as {sampling.seed} is")
    if not 1 <= sampling.steps <= MOST_STEPS:
        raise TargetError(f"steps go from 1 to {MOST_STEPS}, not {sampling.steps}")
    if sampling.colour not in (None, *FIXES):
        raise TargetError(f"unknown colour fix {sampling.colour!r}; use {', '.join(FIXES)}")
    return sampling


@dataclass(slots=True)
class _Job:
    """One set of planes through the model."""

    upscaler: Upscaler
    size: Size
    sampling: Sampling
    advance: Callable[[int], None]
    tiles: int = 0
    redone: int = 0

    def run(self, planes: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 1 or 3) to uint8 (H, W, 1 or 3). Out of memory: again with tiles of a quarter."""
        device = self.upscaler.runtime.device
        budget = runtime.strip_budget(self.upscaler.runtime)
        while True:
            try:
                lr = torch.tensor(planes, device=device).permute(2, 0, 1)[None].float().div_(255)
                return self._all_tiles(lr.expand(1, 3, -1, -1).contiguous(), planes.shape[2], budget)
            except (MemoryError, RuntimeError) as error:
                if not runtime.is_out_of_memory(error):
                    raise
                if self.upscaler.tile or budget < 2**20:
                    raise OutOfMemory(f"out of memory for {self.size}; try a smaller --tile or --device cpu") from error
                budget //= 4

    def _all_tiles(self, lr: Tensor, channels: int, budget: int) -> np.ndarray:
        model, low = self.upscaler.model, Size(*lr.shape[-2:])
        out = np.empty((self.size.height, self.size.width, channels), np.uint8)
        # Features of the whole image once, where they fit; else those of each tile with its surroundings.
        shared = None
        if model.encode_bytes(Window.whole(low)) <= budget:
            shared = self._encode(lr, None)
        self.tiles = self.redone = 0
        for window in tiling.tiles(self.size, self._tile(low, budget, shared is not None)):
            region = model.region(window, self.size, low, self.sampling)
            with self.upscaler.runtime.computing():
                features = shared if shared is not None else model.encode(lr, self.size, region)
                part = model.decode(features, window, self.size, self.sampling)
            if not torch.isfinite(part).all():
                part = self._again(lr, window, region)
            if channels == 1:
                part = part.mean(1, keepdim=True)
            pixels = (part[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
            out[window.top : window.bottom, window.left : window.right] = pixels
            self.tiles += 1
            self.advance(window.height * window.width)
        return out

    def _encode(self, lr: Tensor, region: Window | None):
        with self.upscaler.runtime.computing():
            return self.upscaler.model.encode(lr, self.size, region)

    def _tile(self, low: Size, budget: int, encoded: bool) -> Size:
        if self.upscaler.tile:
            return Size(self.upscaler.tile, self.upscaler.tile)
        model = self.upscaler.model

        def cost(height: int, width: int) -> int:
            decode = model.decode_bytes(height * width)
            if encoded:
                return decode
            region = model.region(Window(0, 0, height, width), self.size, low, self.sampling)
            return max(decode, model.encode_bytes(region))

        return tiling.fit_tile(self.size, cost, budget)

    def _again(self, lr: Tensor, window: Window, region: Window) -> Tensor:
        """A tile in float32, after it was not finite at a lower precision."""
        model = self.upscaler.model
        with self.upscaler.runtime.computing("fp32"):
            part = model.decode(model.encode(lr, self.size, region), window, self.size, self.sampling)
        if not torch.isfinite(part).all():
            raise NotFinite(f"{self.upscaler.entry.name} gives no finite result at pixel {window.left},{window.top}")
        self.redone += 1
        return part
