"""The metrics that `bench` knows by name."""

from __future__ import annotations

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
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.lr_psnr import lr_psnr
from srcli.metrics.niqe import BLOCK, NIQE
from srcli.metrics.psnr import psnr
from srcli.metrics.seam import seam_score
from srcli.metrics.ssim import ssim


class MetricError(SrcliError):
    """A metric that is not known, or that needs a file that was not given."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Files:
    """Parameters of metrics that are not in the package, as safetensors."""

    lpips_squeeze: Path | None = None
    lpips_alex: Path | None = None
    niqe: Path | None = None


NEEDS = {
    "lpips_squeeze": "--lpips-weights FILE",
    "lpips_alex": "--lpips-alex-weights FILE",
    "niqe": "--niqe-parameters FILE",
    "seam": "--tile N",
}


class Original:
    """A reference (H, W, 3), the picture that was made small from it, and what is computed of it once."""

    def __init__(self, image: np.ndarray, low: np.ndarray | None, scale: int) -> None:
        self.image, self.low, self.scale = image, low, scale
        self._taps: dict[str, list[Tensor]] = {}

    @cached_property
    def tensor(self) -> Tensor:
        return _signed(self.image)

    def taps(self, name: str, lpips: LPIPS) -> list[Tensor]:
        """The reference's features, unit length."""
        if name not in self._taps:
            self._taps[name] = lpips.features(self.tensor)
        return self._taps[name]


Measure = Callable[[np.ndarray, Original], float | None]
Together = Callable[[Sequence[Made], Original], float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a picture (uint8 RGB) and its original. `spread`: told by median and worst instead of the mean."""

    name: str
    title: str
    higher_is_better: bool
    digits: int
    measure: Measure | None = field(repr=False)  # of each sample; their mean is told
    together: Together | None = field(default=None, repr=False)  # of all samples at once
    spread: bool = False

    def columns(self) -> list[tuple[str, str, int]]:
        """Name, title and digits of what a table of means tells."""
        if not self.spread:
            return [(self.name, self.title, self.digits)]
        return [(f"{self.name}_{part}", f"{self.title}, {part}", self.digits) for part in ("median", "worst")]

    def of(self, made: Sequence[Made], original: Original) -> float | None:
        """The number of one picture, made once or more."""
        if self.together is not None:
            return self.together(made, original)
        assert self.measure is not None
        values = [self.measure(sample.image, original) for sample in made]
        found = [v for v in values if v is not None]
        return sum(found) / len(found) if found else None


def choose(names: Iterable[str] | None, files: Files, tile: int = 0) -> list[Metric]:
    """The metrics of these names; without names the usual ones, with those whose files are given.

    tile: side of the tiles that the results are made of, for the seam score.
    """
    known = _known(files, tile)
    if names is None:
        return [m for m in known.values() if m.name in USUAL or m.name in NEEDS]
    chosen = []
    for name in names:
        if name not in known:
            if name in NEEDS:
                raise MetricError(f"the metric {name} needs {NEEDS[name]}")
            raise MetricError(f"unknown metric {name!r}; there are {', '.join(sorted({*known, *NEEDS}))}")
        chosen.append(known[name])
    return chosen


USUAL = frozenset({"psnr_y", "ssim_y", "lr_psnr", "grid"})


def _known(files: Files, tile: int) -> dict[str, Metric]:
    """Every metric by name, as far as it has what it needs."""
    metrics = [
        Metric("psnr_y", "PSNR-Y", True, 2, lambda a, o: psnr(a, o.image, border=o.scale)),
        Metric("ssim_y", "SSIM-Y", True, 4, lambda a, o: _ssim(a, o, "y")),
        Metric("psnr_rgb", "PSNR-RGB", True, 2, lambda a, o: psnr(a, o.image, border=o.scale, channel="rgb")),
        Metric("ssim_rgb", "SSIM-RGB", True, 4, lambda a, o: _ssim(a, o, "rgb")),
    ]
    if files.lpips_squeeze is not None:
        metrics.append(_lpips("lpips_squeeze", "LPIPS-Squeeze v0.1", LPIPS.load(files.lpips_squeeze, "squeeze")))
    if files.lpips_alex is not None:
        metrics.append(_lpips("lpips_alex", "LPIPS-Alex v0.1", LPIPS.load(files.lpips_alex, "alex")))
    if files.niqe is not None:
        niqe = NIQE.load(files.niqe)
        metrics.append(Metric("niqe", "NIQE", False, 2, lambda a, o: niqe(a) if min(a.shape[:2]) >= BLOCK else None))
    metrics += [
        Metric("lr_psnr", "LR-PSNR", True, 2, lambda a, o: None if o.low is None else lr_psnr(a, o.low)),
        Metric("grid", "grid score", False, 2, lambda a, o: grid_score(a), spread=True),
        Metric("colour", "colour drift", False, 2, lambda a, o: colour_drift(a, o.image)),
        Metric("diversity", "diversity", True, 2, None, _diversity),
        Metric("inf", "% Inf", False, 2, None, lambda made, o: 100 * sum(m.not_finite for m in made) / len(made)),
    ]
    if tile:
        metrics.append(Metric("seam", "seam score", False, 2, lambda a, o: seam_score(a, tile), spread=True))
    return {m.name: m for m in metrics}


def _diversity(made: Sequence[Made], original: Original) -> float | None:
    """None for one sample."""
    return diversity([m.image for m in made]) if len(made) > 1 else None


def _ssim(image: np.ndarray, original: Original, channel: str) -> float | None:
    """None for pictures too small for a window."""
    if min(image.shape[:2]) - 2 * original.scale < 11:
        return None
    return ssim(image, original.image, border=original.scale, channel=channel)


def _lpips(name: str, title: str, lpips: LPIPS) -> Metric:
    def measure(image: np.ndarray, original: Original) -> float:
        with torch.inference_mode():
            return lpips.between(lpips.features(_signed(image)), original.taps(name, lpips)).item()

    return Metric(name, title, False, 4, measure)


def _signed(image: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) as (1, 3, H, W) in [-1, 1]."""
    return torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
