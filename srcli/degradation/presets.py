"""How much goes wrong: ranges that degradations are drawn from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """Ranges of one round and the shares of pictures that have each part.

    blur: sigma in pixels of the low-resolution result. noise: standard deviation in 8-bit steps. jpeg: quality.
    """

    blur: tuple[float, float]
    blur_share: float
    sinc_share: float  # of the blurs
    noise: tuple[float, float]
    noise_share: float
    poisson_share: float  # of the noises
    jpeg: tuple[int, int]
    jpeg_share: float


@dataclass(frozen=True, slots=True)
class Preset:
    """Two rounds and a last sinc. middle: size between the rounds as a factor of the final size, where the first round
    changes it at all; below 1 detail is lost that the final size could hold."""

    name: str
    first: Stage
    second: Stage
    middle: tuple[float, float]
    middle_share: float
    sinc_share: float
    sinc_cutoff: tuple[float, float]  # radians a pixel; pi is the finest detail


LIGHT = Preset(
    "light",
    Stage((0.1, 0.5), 0.5, 0.05, (0.5, 3.0), 0.3, 0.5, (80, 98), 0.3),
    Stage((0.1, 0.4), 0.1, 0.1, (0.5, 2.0), 0.1, 0.5, (70, 97), 0.8),
    (1.0, 2.0), 0.4, 0.1, (2.2, 3.14),
)  # fmt: skip
MODERATE = Preset(
    "moderate",
    Stage((0.1, 0.8), 0.8, 0.1, (1.0, 12.0), 0.5, 0.5, (50, 95), 0.5),
    Stage((0.1, 0.6), 0.3, 0.1, (0.5, 6.0), 0.3, 0.5, (35, 95), 0.85),
    (0.75, 2.0), 0.6, 0.25, (1.6, 3.14),
)  # fmt: skip
HEAVY = Preset(
    "heavy",
    Stage((0.2, 1.5), 0.9, 0.1, (2.0, 30.0), 0.9, 0.4, (30, 90), 0.8),
    Stage((0.2, 1.0), 0.7, 0.1, (1.0, 25.0), 0.9, 0.4, (20, 95), 0.6),
    (0.5, 1.8), 0.8, 0.4, (1.05, 3.14),
)  # fmt: skip
PRESETS = {p.name: p for p in (LIGHT, MODERATE, HEAVY)}
