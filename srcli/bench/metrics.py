"""The metrics of `srcli bench`, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srcli.bench.variants import Made
from srcli.errors import SrcliError
from srcli.metrics.colour import colour_drift
from srcli.metrics.diversity import diversity
from srcli.metrics.flat import flat_noise
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.lr_psnr import lr_psnr
from srcli.metrics.niqe import BLOCK, NIQE
from srcli.metrics.psnr import psnr
from srcli.metrics.seam import MIN_TILE, seam_score
from srcli.metrics.ssim import WINDOW, ssim

USUAL = frozenset({"psnr_y", "ssim_y", "lr_psnr", "grid", "grid_4"})
NEEDS = {
    "lpips_squeeze": "--lpips-weights FILE, or: srcli models pull lpips-squeeze",
    "lpips_alex": "--lpips-alex-weights FILE, or: srcli models pull lpips-alex",
    "lpips_vgg": "--lpips-vgg-weights FILE, or: srcli models pull lpips-vgg",
    "niqe": "--niqe-parameters FILE",
    "seam": "--tile N",
}
LPIPS_MIN_SIDE = {"squeeze": 24, "alex": 32, "vgg": 16}  # pixels per side that every tap of the trunk needs


class MetricError(SrcliError):
    """An unknown metric, or one whose weights or options are missing."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Safetensors files with the weights of metrics, which do not ship with the package.

    LPIPS may have its trunk and heads in one file or in two.
    """

    lpips_squeeze: tuple[Path, ...] = ()
    lpips_alex: tuple[Path, ...] = ()
    lpips_vgg: tuple[Path, ...] = ()
    niqe: tuple[Path, ...] = ()


class Original:
    """A reference (H, W, 3), its low-resolution version, and values that are computed from it only once."""

    def __init__(self, image: np.ndarray, low: np.ndarray, scale: int) -> None:
        self.image, self.low, self.scale = image, low, scale
        self._taps: dict[str, list[Tensor]] = {}

    @cached_property
    def tensor(self) -> Tensor:
        return signed(self.image)

    def taps(self, name: str, lpips: LPIPS) -> list[Tensor]:
        """The reference's LPIPS features, of unit length; computed once."""
        if name not in self._taps:
            self._taps[name] = lpips.features(self.tensor)
        return self._taps[name]


Measure = Callable[[np.ndarray, Original], float | None]
MeasureSamples = Callable[[Sequence[Made]], float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of a picture (uint8 RGB) and its original.

    digits: decimals to print.
    measure: the score of one sample; a picture's score is the mean over its samples.
    measure_samples: the score of all samples of a picture, instead of `measure`.
    min_side: pixels per side, without borders of the scale, below which there is no score.
    spread: whether tables show the median and the worst instead of the mean.
    """

    name: str
    title: str
    _: KW_ONLY
    higher_is_better: bool = False
    digits: int = 2
    measure: Measure | None = field(default=None, repr=False)
    measure_samples: MeasureSamples | None = field(default=None, repr=False)
    min_side: int = 1
    spread: bool = False

    def columns(self) -> list[tuple[str, str, int]]:
        """Name, title and digits of the metric's columns in a table."""
        if not self.spread:
            return [(self.name, self.title, self.digits)]
        return [(f"{self.name}_{part}", f"{self.title}, {part}", self.digits) for part in ("median", "worst")]

    def score(self, made: Sequence[Made], original: Original) -> float | None:
        """The score of one picture from its samples, without those that are not finite."""
        if self.measure_samples is not None:
            return self.measure_samples(made)
        assert self.measure is not None
        if min(original.image.shape[:2]) - 2 * original.scale < self.min_side:
            return None
        values = [self.measure(m.image, original) for m in made if m.image is not None]
        found = [v for v in values if v is not None]
        return sum(found) / len(found) if found else None


def choose(names: Iterable[str] | None, files: Files, tile: int = 0, seeds: int = 1) -> list[Metric]:
    """The metrics with these names. None chooses the usual ones and those whose weights are given.

    files: weights of metrics.
    tile: side of the tiles of the results, for the seam score.
    seeds: samples per picture.

    Raises MetricError.
    """
    if 0 < tile < MIN_TILE:
        raise MetricError(f"the seam score needs tiles of at least {MIN_TILE} pixels per side, not {tile}")
    known = {m.name: m for m in _known(files, tile)}
    if names is None:
        usual = USUAL | {"diversity", "inf"} if seeds > 1 else USUAL
        return [m for m in known.values() if m.name in usual or m.name in NEEDS]
    chosen: dict[str, Metric] = {}
    for name in (n.strip() for n in names):
        if name not in known and name in NEEDS:
            raise MetricError(f"the metric {name} needs {NEEDS[name]}")
        if name not in known:
            raise MetricError(f"unknown metric {name!r}; use {', '.join(sorted({*known, *NEEDS}))}")
        chosen[name] = known[name]
    return list(chosen.values())


def _known(files: Files, tile: int) -> list[Metric]:
    """All metrics whose weights and options are given."""
    metrics = [
        Metric("psnr_y", "PSNR-Y", higher_is_better=True, measure=lambda a, o: psnr(a, o.image, border=o.scale)),
        _ssim("ssim_y", "SSIM-Y", "y"),
        Metric(
            "psnr_rgb",
            "PSNR-RGB",
            higher_is_better=True,
            measure=lambda a, o: psnr(a, o.image, border=o.scale, channel="rgb"),
        ),
        _ssim("ssim_rgb", "SSIM-RGB", "rgb"),
    ]
    for kind, paths in (("squeeze", files.lpips_squeeze), ("alex", files.lpips_alex), ("vgg", files.lpips_vgg)):
        if paths:
            metrics.append(_lpips(kind, LPIPS.load(*paths, kind=kind)))
    if files.niqe:
        metrics.append(_niqe(NIQE.load(*files.niqe)))
    metrics += [
        Metric("lr_psnr", "LR-PSNR", higher_is_better=True, measure=lambda a, o: lr_psnr(a, o.low)),
        Metric("grid", "grid score", measure=lambda a, o: grid_score(a), spread=True),
        Metric("grid_4", "grid score of 4", measure=lambda a, o: grid_score(a, 4), spread=True),
        Metric("colour", "colour drift", measure=lambda a, o: colour_drift(a, o.image)),
        Metric("flat_noise", "flat noise", measure=lambda a, o: flat_noise(a, o.image)),
        Metric("diversity", "diversity", higher_is_better=True, measure_samples=_diversity),
        Metric("inf", "% Inf", measure_samples=lambda made: 100 * sum(m.exploded for m in made) / len(made)),
    ]
    if tile:
        metrics.append(Metric("seam", "seam score", measure=lambda a, o: seam_score(a, tile), min_side=3, spread=True))
    return metrics


def _ssim(name: str, title: str, channel: str) -> Metric:
    def measure(image: np.ndarray, original: Original) -> float | None:
        return ssim(image, original.image, border=original.scale, channel=channel)

    return Metric(name, title, higher_is_better=True, digits=4, measure=measure, min_side=WINDOW)


def _diversity(made: Sequence[Made]) -> float | None:
    """Diversity of the samples; None for a single one."""
    found = [m.image for m in made if m.image is not None]
    return diversity(found) if len(found) > 1 else None


def _niqe(niqe: NIQE) -> Metric:
    def measure(image: np.ndarray, original: Original) -> float | None:
        blocks = (image.shape[0] // BLOCK) * (image.shape[1] // BLOCK)
        value = niqe(image) if blocks > 1 else math.nan  # a single block has no covariance
        return None if math.isnan(value) else value

    return Metric("niqe", "NIQE", measure=measure)


def _lpips(kind: str, lpips: LPIPS) -> Metric:
    name = f"lpips_{kind}"

    def measure(image: np.ndarray, original: Original) -> float | None:
        if min(image.shape[:2]) < LPIPS_MIN_SIDE[kind]:
            return None
        with torch.inference_mode():
            return lpips.between(lpips.features(signed(image)), original.taps(name, lpips)).item()

    title = f"LPIPS-{kind.upper() if kind == 'vgg' else kind.capitalize()} v0.1"
    return Metric(name, title, digits=4, measure=measure)


def signed(image: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) as (1, 3, H, W) in [-1, 1]."""
    return torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
