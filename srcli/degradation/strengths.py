"""How strong everyday degradations are: the ranges from which `srcli.degradation.everyday` draws."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """Ranges, and shares of pictures that get each part. Sizes in pixels of the final picture.

    soft, lens, motion: sigma, radius and length of blurs.
    grain: noise of a finished picture in 8-bit steps. photons: of a sensor at white.
    quality: of JPEG and WebP. step: of video frames. colours: of palettes.
    sharpen: amount.
    again_share: of pictures with a second round. middle: sides between the rounds, as a factor of the final ones.
    """

    blur_share: float
    soft: Range
    lens: Range
    motion: Range
    noise_share: float
    grain: Range
    photons: Range
    file_share: float
    quality: tuple[int, int]
    step: Range
    colours: tuple[int, int]
    sharpen_share: float
    sharpen: Range
    again_share: float
    middle: Range


LIGHT = Strength(
    blur_share=0.25,
    soft=(0.15, 0.5),
    lens=(0.4, 0.8),
    motion=(1.2, 2.0),
    noise_share=0.25,
    grain=(0.5, 4.0),
    photons=(2000, 15000),
    file_share=0.8,
    quality=(75, 98),
    step=(4, 12),
    colours=(96, 256),
    sharpen_share=0.15,
    sharpen=(0.2, 0.7),
    again_share=0.15,
    middle=(0.9, 2.0),
)
MODERATE = Strength(
    blur_share=0.5,
    soft=(0.2, 0.9),
    lens=(0.6, 1.4),
    motion=(1.5, 4.0),
    noise_share=0.5,
    grain=(1.0, 14.0),
    photons=(250, 3000),
    file_share=0.85,
    quality=(35, 95),
    step=(10, 26),
    colours=(32, 256),
    sharpen_share=0.3,
    sharpen=(0.3, 1.3),
    again_share=0.4,
    middle=(0.7, 2.0),
)
HEAVY = Strength(
    blur_share=0.65,
    soft=(0.3, 1.4),
    lens=(0.8, 1.9),
    motion=(2.0, 5.5),
    noise_share=0.65,
    grain=(3.0, 30.0),
    photons=(60, 700),
    file_share=0.9,
    quality=(10, 80),
    step=(18, 48),
    colours=(16, 128),
    sharpen_share=0.35,
    sharpen=(0.5, 2.0),
    again_share=0.5,
    middle=(0.5, 1.8),
)
STRENGTHS = {"light": LIGHT, "moderate": MODERATE, "heavy": HEAVY}
CLEAN = "clean"
NAMES = (CLEAN, *STRENGTHS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What happens to one sort of pictures.

    blurs, noises, files: weights of their kinds.
    grain: factor of the sigma of grain. blur, noise: factors of the shares of pictures that get these.
    """

    blurs: dict[str, float]
    noises: dict[str, float]
    files: dict[str, float]
    grain: float = 1.0
    blur: float = 1.0
    noise: float = 1.0


PHOTO = Habit(
    blurs={"soft": 0.5, "lens": 0.3, "motion": 0.2},
    noises={"grain": 0.35, "sensor": 0.25, "denoised": 0.4},
    files={"jpeg": 0.74, "webp": 0.12, "video": 0.09, "palette": 0.05},
)
GRAPHIC = Habit(
    blurs={"soft": 0.8, "lens": 0.2},
    noises={"grain": 0.8, "sensor": 0.1, "denoised": 0.1},
    files={"jpeg": 0.6, "webp": 0.14, "video": 0.06, "palette": 0.2},
    grain=0.6,
    blur=0.5,
    noise=0.4,
)
