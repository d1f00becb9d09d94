"""The metrics that `bench` knows by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
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
from srcli.metrics.seam import LEAST_TILE, seam_score
from srcli.metrics.ssim import WINDOW, ssim

USUAL = frozenset({"psnr_y", "ssim_y", "lr_psnr", "grid", "grid_4"})
NEEDS = {
    "lpips_squeeze": "--lpips-weights FILE, or: srcli models pull lpips-squeeze",
    "lpips_alex": "--lpips-alex-weights FILE, or: srcli models pull lpips-alex",
    "lpips_vgg": "--lpips-vgg-weights FILE, or: srcli models pull lpips-vgg",
    "niqe": "--niqe-parameters FILE",
    "seam": "--tile N",
}
LPIPS_LEAST = {"squeeze": 24, "alex": 32, "vgg": 16}  # pixels a side from which the trunk has something at every tap


class MetricError(SrcliError):
    """A metric that is not known, or that lacks what it needs."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Files:
    """Parameters of metrics that are not in the package, as safetensors; of LPIPS, trunk and heads may be apart."""

    lpips_squeeze: tuple[Path, ...] = ()
    lpips_alex: tuple[Path, ...] = ()
    lpips_vgg: tuple[Path, ...] = ()
    niqe: tuple[Path, ...] = ()


class Original:
    """A reference (H, W, 3), the picture that was made small from it, and what is computed of it once."""

    def __init__(self, image: np.ndarray, low: np.ndarray, scale: int) -> None:
        self.image, self.low, self.scale = image, low, scale
        self._taps: dict[str, list[Tensor]] = {}

    @cached_property
    def tensor(self) -> Tensor:
        return signed(self.image)

    def taps(self, name: str, lpips: LPIPS) -> list[Tensor]:
        """The reference's features, unit length."""
        if name not in self._taps:
            self._taps[name] = lpips.features(self.tensor)
        return self._taps[name]


Measure = Callable[[np.ndarray, Original], float | None]
Together = Callable[[Sequence[Made]], float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a picture (uint8 RGB) and its original; None for pictures below `least` pixels a side without the
    border of the scale. `spread`: told by median and worst instead of the mean."""

    name: str
    title: str
    higher_is_better: bool
    digits: int
    measure: Measure | None = field(repr=False)  # of each sample; their mean is told
    least: int = 1
    together: Together | None = field(default=None, repr=False)  # of all samples at once
    spread: bool = False

    def columns(self) -> list[tuple[str, str, int]]:
        """Name, title and digits of what a table of means tells."""
        if not self.spread:
            return [(self.name, self.title, self.digits)]
        return [(f"{self.name}_{part}", f"{self.title}, {part}", self.digits) for part in ("median", "worst")]

    def of(self, made: Sequence[Made], original: Original) -> float | None:
        """The number of one picture, made once or more; samples that are not finite have none."""
        if self.together is not None:
            return self.together(made)
        assert self.measure is not None
        if min(original.image.shape[:2]) - 2 * original.scale < self.least:
            return None
        values = [self.measure(m.image, original) for m in made if m.image is not None]
        found = [v for v in values if v is not None]
        return sum(found) / len(found) if found else None


def choose(names: Iterable[str] | None, files: Files, tile: int = 0, seeds: int = 1) -> list[Metric]:
    """The metrics of these names; without names the usual ones and those that have what they need.

    tile: side of the tiles that the results are made of, for the seam score. seeds: samples of each picture.
    """
    if 0 < tile < LEAST_TILE:
        raise MetricError(f"tiles of a seam score have at least {LEAST_TILE} pixels a side, not {tile}")
    known = {m.name: m for m in _known(files, tile)}
    if names is None:
        usual = USUAL | {"diversity", "inf"} if seeds > 1 else USUAL
        return [m for m in known.values() if m.name in usual or m.name in NEEDS]
    chosen: dict[str, Metric] = {}
    for name in (n.strip() for n in names):
        if name not in known and name in NEEDS:
            raise MetricError(f"the metric {name} needs {NEEDS[name]}")
        if name not in known:
            raise MetricError(f"unknown metric {name!r}; there are {', '.join(sorted({*known, *NEEDS}))}")
        chosen[name] = known[name]
    return list(chosen.values())


def _known(files: Files, tile: int) -> list[Metric]:
    """Every metric that has what it needs."""
    metrics = [
        Metric("psnr_y", "PSNR-Y", True, 2, lambda a, o: psnr(a, o.image, border=o.scale)),
        Metric("ssim_y", "SSIM-Y", True, 4, lambda a, o: ssim(a, o.image, border=o.scale), WINDOW),
        Metric("psnr_rgb", "PSNR-RGB", True, 2, lambda a, o: psnr(a, o.image, border=o.scale, channel="rgb")),
        Metric("ssim_rgb", "SSIM-RGB", True, 4, lambda a, o: ssim(a, o.image, border=o.scale, channel="rgb"), WINDOW),
    ]
    for kind, paths in (("squeeze", files.lpips_squeeze), ("alex", files.lpips_alex), ("vgg", files.lpips_vgg)):
        if paths:
            metrics.append(_lpips(kind, LPIPS.load(*paths, kind=kind)))
    if files.niqe:
        metrics.append(_niqe(NIQE.load(*files.niqe)))
    metrics += [
        Metric("lr_psnr", "LR-PSNR", True, 2, lambda a, o: lr_psnr(a, o.low)),
        Metric("grid", "grid score", False, 2, lambda a, o: grid_score(a), spread=True),
        Metric("grid_4", "grid score of 4", False, 2, lambda a, o: grid_score(a, 4), spread=True),
        Metric("colour", "colour drift", False, 2, lambda a, o: colour_drift(a, o.image)),
        Metric("flat_noise", "flat noise", False, 2, lambda a, o: flat_noise(a, o.image)),
        Metric("diversity", "diversity", True, 2, None, together=_diversity),
        Metric("inf", "% Inf", False, 2, None, together=lambda made: 100 * sum(m.exploded for m in made) / len(made)),
    ]
    if tile:
        metrics.append(Metric("seam", "seam score", False, 2, lambda a, o: seam_score(a, tile), 3, spread=True))
    return metrics


def _diversity(made: Sequence[Made]) -> float | None:
    """None for one sample."""
    found = [m.image for m in made if m.image is not None]
    return diversity(found) if len(found) > 1 else None


def _niqe(niqe: NIQE) -> Metric:
    def measure(image: np.ndarray, original: Original) -> float | None:
        blocks = (image.shape[0] // BLOCK) * (image.shape[1] // BLOCK)
        value = niqe(image) if blocks > 1 else math.nan  # one has no covariance
        return None if math.isnan(value) else value

    return Metric("niqe", "NIQE", False, 2, measure)


def _lpips(kind: str, lpips: LPIPS) -> Metric:
    name = f"lpips_{kind}"

    def measure(image: np.ndarray, original: Original) -> float | None:
        if min(image.shape[:2]) < LPIPS_LEAST[kind]:
            return None
        with torch.inference_mode():
            return lpips.between(lpips.features(signed(image)), original.taps(name, lpips)).item()

    return Metric(name, f"LPIPS-{kind.upper() if kind == 'vgg' else kind.capitalize()} v0.1", False, 4, measure)


def signed(image: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) as (1, 3, H, W) in [-1, 1]."""
    return torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
