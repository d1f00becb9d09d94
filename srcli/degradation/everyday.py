"""Everyday degradations: what cameras, phones, editors and websites did to a picture, as a list of operations.

Once or twice, in random order: blur of lens and motion, sensor noise and what is left after denoising, sharpening,
JPEG, WebP, palettes, video. The presets of `srcli.degradation.presets` keep Real-ESRGAN's order and serve benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from srcli.degradation.codecs import GRID, JpegFile, Palette, VideoFrame, WebpFile
from srcli.degradation.optics import LensBlur, MotionBlur, Resize, Sharpen, SoftBlur
from srcli.degradation.sensor import Denoise, Grain, SensorNoise
from srcli.degradation.strengths import CLEAN, GRAPHIC, NAMES, PHOTO, STRENGTHS, Habit, Range, Strength
from srcli.degradation.synthetic import RESIZERS
from srcli.geometry import Size

RESIZERS_OF_CLEAN = {"bicubic": 0.6, "lanczos": 0.15, "area": 0.15, "bilinear": 0.1}
HALVED_SHARE = 0.65  # of JPEGs, 4:2:0


class Operation(Protocol):
    """One thing that happened to a picture; `str` says it in words."""

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        """uint8 RGB (H, W, 3) to the same, of any size. size: of the final picture."""


OPERATIONS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Resize, SoftBlur, LensBlur, MotionBlur, Sharpen, Grain, SensorNoise, Denoise, JpegFile, WebpFile, Palette,
        VideoFrame,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Everyday:
    """What happens to a picture, in order; the last operation that changes sizes leads to the final one."""

    strength: str
    scale: float
    operations: tuple[Operation, ...]

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        """Degrade uint8 RGB (H, W, 3) to (size.height, size.width, 3)."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
        for operation in self.operations:
            image = operation(image, size)
        return image

    def __str__(self) -> str:
        return f"{self.strength}: {', '.join(str(operation) for operation in self.operations) or 'unchanged'}"

    def to_dict(self) -> dict[str, Any]:
        steps = [{"operation": type(o).__name__, **asdict(o)} for o in self.operations]  # type: ignore[call-overload]
        return {"strength": self.strength, "scale": self.scale, "operations": steps}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Everyday:
        """The inverse of `to_dict`, also after a round trip through JSON. Raises ValueError for unknown operations."""
        steps = []
        for entry in table["operations"]:
            name, given = entry["operation"], {k: v for k, v in entry.items() if k != "operation"}
            if name not in OPERATIONS:
                raise ValueError(f"unknown operation {name!r}")
            steps.append(OPERATIONS[name](**given))
        return cls(strength=table["strength"], scale=table["scale"], operations=tuple(steps))


def draw(strength: str, scale: float, seed: int, *, graphic: bool = False) -> Everyday:
    """Draw a degradation. The same arguments give the same one.

    strength: clean, light, moderate or heavy.
    scale: how many times the picture becomes smaller, 1 to 8.
    graphic: what happens to drawn pictures: less blur and noise, more palettes.
    """
    if strength not in NAMES:
        raise ValueError(f"unknown strength {strength!r}; use {', '.join(NAMES)}")
    if not 1 <= scale <= 8:
        raise ValueError(f"scales go from 1 to 8, not to {scale}")
    rng = np.random.default_rng(seed)
    if strength == CLEAN:
        steps: list[Operation] = [Resize(1.0, _pick(rng, RESIZERS_OF_CLEAN))]
    else:
        steps = _drawn(rng, STRENGTHS[strength], GRAPHIC if graphic else PHOTO, scale)
    if scale == 1 and all(isinstance(step, Resize) and step.factor == 1 for step in steps):
        steps = []
    return Everyday(strength=strength, scale=scale, operations=tuple(steps))


def _drawn(rng: np.random.Generator, strength: Strength, habit: Habit, scale: float) -> list[Operation]:
    blur = [_blur(rng, strength, habit, scale)] if rng.random() < strength.blur_share * habit.blur else []
    last = Resize(1.0, _pick(rng, RESIZERS))
    if rng.random() >= strength.again_share:
        return [*blur, last, *_round(rng, strength, habit)]
    middle = min(_between(rng, strength.middle), scale)  # a picture is made no larger than it was
    first = Resize(middle, _pick(rng, RESIZERS))
    return [*blur, first, *_round(rng, strength, habit), last, *_round(rng, strength, habit, again=True)]


def _round(rng: np.random.Generator, strength: Strength, habit: Habit, *, again: bool = False) -> list[Operation]:
    """Noise, sharpening and a file in random order. again: the second time there is no sensor, and less of the rest."""
    parts: list[list[Operation]] = []
    share, grainy = 0.4 if again else 1.0, False
    if rng.random() < strength.noise_share * habit.noise * share:
        noise: list[Operation] = [_grain(rng, strength, habit.grain / 2)] if again else _noise(rng, strength, habit)
        grainy = not isinstance(noise[-1], Denoise)
        parts.append(noise)
    if rng.random() < strength.sharpen_share * share:
        # Nobody leaves noise alone and sharpens it much.
        amount = float(rng.uniform(*strength.sharpen)) * (0.5 if grainy else 1.0)
        parts.append([Sharpen(amount, _between(rng, (0.5, 2.0)))])
    if rng.random() < strength.file_share:
        parts.append([_file(rng, strength, habit)])
    order = rng.permutation(len(parts))
    return [operation for n in order for operation in parts[n]]


def _blur(rng: np.random.Generator, strength: Strength, habit: Habit, unit: float) -> Operation:
    """unit: pixels of the blurred picture per pixel of the final one."""
    kind, angle = _pick(rng, habit.blurs), float(rng.uniform(0, np.pi))
    if kind == "lens":
        return LensBlur(_between(rng, strength.lens) * unit)
    if kind == "motion":
        return MotionBlur(_between(rng, strength.motion) * unit, angle)
    along = _between(rng, strength.soft) * unit
    return SoftBlur(along, along if rng.random() < 0.7 else _between(rng, strength.soft) * unit, angle)


def _noise(rng: np.random.Generator, strength: Strength, habit: Habit) -> list[Operation]:
    kind = _pick(rng, habit.noises)
    if kind == "grain":
        return [_grain(rng, strength, habit.grain)]
    sensor = SensorNoise(_between(rng, strength.photons), float(rng.uniform(0.8, 2)), int(rng.integers(2**31)))
    if kind == "sensor":
        return [sensor]
    method = _pick(rng, {"bilateral": 0.45, "nonlocal": 0.4, "median": 0.15})
    # Non-local means at a sigma's strength, bilateral filters at more, take most of the noise.
    least, most = (0.7, 1.6) if method == "nonlocal" else (1.5, 4.0)
    light = max(1.0, sensor.sigma * float(rng.uniform(least, most)))
    return [sensor, Denoise(method, light, max(4.0, sensor.sigma * float(rng.uniform(2, 6))))]


def _grain(rng: np.random.Generator, strength: Strength, factor: float) -> Grain:
    """factor: of sigma."""
    shape, grey = "poisson" if rng.random() < 0.4 else "gaussian", bool(rng.random() < 0.4)
    sigma = factor * _between(rng, strength.grain)
    return Grain(kind=shape, sigma=sigma, grey=grey, seed=int(rng.integers(2**31)))


def _file(rng: np.random.Generator, strength: Strength, habit: Habit) -> Operation:
    kind = _pick(rng, habit.files)
    low, high = strength.quality
    quality = round(low + (high - low) * rng.random() ** 0.7)  # the worst are rarer
    top, left = (int(n) for n in rng.integers(GRID, size=2))
    if kind == "jpeg":
        return JpegFile(quality=quality, halved=bool(rng.random() < HALVED_SHARE), top=top, left=left)
    if kind == "webp":
        return WebpFile(quality, top, left)
    if kind == "palette":
        return Palette(round(_between(rng, strength.colours)), bool(rng.random() < 0.5))
    factor = float(rng.choice([0.5, 0.67, 1.0], p=[0.3, 0.2, 0.5]))
    return VideoFrame(step=_between(rng, strength.step), factor=factor, top=top, left=left)


def _between(rng: np.random.Generator, range_: Range) -> float:
    """Log-uniform: each doubling is as likely as the next."""
    low, high = range_
    return float(low * (high / low) ** rng.random())


def _pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    shares = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=shares / shares.sum()))


def light_harm(rng: np.random.Generator) -> Operation:
    """What a clean picture may have: JPEG of quality 75 to 98, or noise of a sigma up to 5."""
    if rng.random() < 0.5:
        top, left = (int(n) for n in rng.integers(GRID, size=2))
        return JpegFile(quality=int(rng.integers(75, 99)), halved=bool(rng.random() < 0.5), top=top, left=left)
    kind, grey = "poisson" if rng.random() < 0.3 else "gaussian", bool(rng.random() < 0.4)
    return Grain(kind=kind, sigma=float(rng.uniform(0.5, 5)), grey=grey, seed=int(rng.integers(2**31)))
