"""Presets: the ranges from which degradations are drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Ranges of one round, and the shares of pictures that get each part.

    blur: sigma in pixels of the low-resolution result.
    sinc_share: share of the blurs that are sincs.
    noise: standard deviation in 8-bit steps.
    poisson_share: share of the noises that are Poisson.
    jpeg: quality.
    """

    blur: tuple[float, float]
    blur_share: float
    sinc_share: float
    noise: tuple[float, float]
    noise_share: float
    poisson_share: float
    jpeg: tuple[int, int]
    jpeg_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Two rounds and a final sinc.

    middle: size between the rounds as a factor of the final size; below 1, detail is lost.
    middle_share: share of pictures whose size changes in the first round.
    sinc_share: share of pictures that get the final sinc.
    sinc_cutoff: in radians per pixel; pi is the finest detail.
    """

    name: str
    first: Stage
    second: Stage
    middle: tuple[float, float]
    middle_share: float
    sinc_share: float
    sinc_cutoff: tuple[float, float]


LIGHT = Preset(
    name="light",
    first=Stage(
        blur=(0.1, 0.5),
        blur_share=0.5,
        sinc_share=0.05,
        noise=(0.5, 3.0),
        noise_share=0.3,
        poisson_share=0.5,
        jpeg=(80, 98),
        jpeg_share=0.3,
    ),
    second=Stage(
        blur=(0.1, 0.4),
        blur_share=0.1,
        sinc_share=0.1,
        noise=(0.5, 2.0),
        noise_share=0.1,
        poisson_share=0.5,
        jpeg=(70, 97),
        jpeg_share=0.8,
    ),
    middle=(1.0, 2.0),
    middle_share=0.4,
    sinc_share=0.1,
    sinc_cutoff=(2.2, 3.14),
)
MODERATE = Preset(
    name="moderate",
    first=Stage(
        blur=(0.1, 0.8),
        blur_share=0.8,
        sinc_share=0.1,
        noise=(1.0, 12.0),
        noise_share=0.5,
        poisson_share=0.5,
        jpeg=(50, 95),
        jpeg_share=0.5,
    ),
    second=Stage(
        blur=(0.1, 0.6),
        blur_share=0.3,
        sinc_share=0.1,
        noise=(0.5, 6.0),
        noise_share=0.3,
        poisson_share=0.5,
        jpeg=(35, 95),
        jpeg_share=0.85,
    ),
    middle=(0.75, 2.0),
    middle_share=0.6,
    sinc_share=0.25,
    sinc_cutoff=(1.6, 3.14),
)
HEAVY = Preset(
    name="heavy",
    first=Stage(
        blur=(0.2, 1.5),
        blur_share=0.9,
        sinc_share=0.1,
        noise=(2.0, 30.0),
        noise_share=0.9,
        poisson_share=0.4,
        jpeg=(30, 90),
        jpeg_share=0.8,
    ),
    second=Stage(
        blur=(0.2, 1.0),
        blur_share=0.7,
        sinc_share=0.1,
        noise=(1.0, 25.0),
        noise_share=0.9,
        poisson_share=0.4,
        jpeg=(20, 95),
        jpeg_share=0.6,
    ),
    middle=(0.5, 1.8),
    middle_share=0.8,
    sinc_share=0.4,
    sinc_cutoff=(1.05, 3.14),
)
PRESETS = {p.name: p for p in (LIGHT, MODERATE, HEAVY)}
