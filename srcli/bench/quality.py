"""Quality of models on a folder of photos, by the field's definitions: PSNR-Y, LPIPS, grid score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from srcli import images
from srcli.degradation.bicubic import downscale
from srcli.errors import SrcliError
from srcli.geometry import Target
from srcli.images.picture import Picture
from srcli.images.read import SUFFIXES
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import psnr
from srcli.pipelines.base import Sampling
from srcli.upscaler import Upscaler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Variant:
    """A model and how it chooses among the pictures that fit."""

    upscaler: Upscaler
    sampling: Sampling

    @property
    def label(self) -> str:
        name, s = self.upscaler.entry.name, self.sampling
        return (
            f"{name} detail {s.detail:g}" if "prior" in self.upscaler.entry.parts else f"{name} tau {s.temperature:g}"
        )


@dataclass(frozen=True, slots=True)
class Score:
    """One picture made by one variant. lpips: None without weights; grid: None where the picture is too small."""

    variant: str
    scale: int
    image: str
    psnr_y: float
    lpips_squeeze: float | None
    grid: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the pictures of a data set; the grid score as median and worst."""

    variant: str
    scale: int
    images: int
    psnr_y: float
    lpips_squeeze: float | None
    grid_median: float | None
    grid_worst: float | None

    def to_dict(self) -> dict:
        return asdict(self)


def photos(folder: Path) -> list[tuple[str, np.ndarray]]:
    """Names and uint8 RGB pixels of the photos in a folder."""
    if not folder.is_dir():
        raise SrcliError(f"{folder} is not a folder")
    found = [(p.name, images.read(p).colour) for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES]
    if not found:
        raise SrcliError(f"no photos in {folder}")
    return [(name, np.repeat(c, 3, 2) if c.shape[2] == 1 else c) for name, c in found]


def score(
    variants: list[Variant],
    data: list[tuple[str, np.ndarray]],
    scales: list[int],
    lpips: LPIPS | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Score]:
    """Every variant on every photo at every scale.

    The low-resolution side is Pillow's bicubic on 8 bits of the photo cut to a multiple of the scale; PSNR-Y and the
    results are 8-bit, its border is the scale; LPIPS and the grid score see the whole picture.
    """
    total, done = len(variants) * len(data) * len(scales), 0
    for scale in scales:
        for name, photo in data:
            height, width = (n // scale * scale for n in photo.shape[:2])
            hr = photo[:height, :width]
            low = Picture(downscale(hr, height // scale, width // scale))
            target = Target(width=width, height=height)
            for variant in variants:
                sr = variant.upscaler.run(low, target, variant.sampling).picture.colour
                distance = None if lpips is None else distance_of(lpips, sr, hr)
                yield Score(variant.label, scale, name, psnr(sr, hr, border=scale), distance, grid_score(sr))
                done += 1
                progress(done, total)


def distance_of(lpips: LPIPS, a: np.ndarray, b: np.ndarray) -> float:
    """LPIPS of two uint8 pictures."""

    def tensor(image: np.ndarray) -> Tensor:
        return torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1

    with torch.inference_mode():
        return lpips(tensor(a), tensor(b)).item()


def summarise(scores: list[Score]) -> list[Row]:
    """One row per scale and variant, in the order of the scores."""
    groups: dict[tuple[int, str], list[Score]] = {}
    for s in scores:
        groups.setdefault((s.scale, s.variant), []).append(s)
    rows = []
    for (scale, variant), members in groups.items():
        distances = [m.lpips_squeeze for m in members if m.lpips_squeeze is not None]
        grids = [m.grid for m in members if m.grid is not None]
        rows.append(
            Row(
                variant,
                scale,
                len(members),
                float(np.mean([m.psnr_y for m in members])),
                float(np.mean(distances)) if distances else None,
                float(np.median(grids)) if grids else None,
                max(grids, default=None),
            )
        )
    return rows
