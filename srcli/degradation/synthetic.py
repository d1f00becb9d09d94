"""Degraded photos: blur, resize, noise and JPEG, twice, as pictures on the web have come about.

The order of Real-ESRGAN (Wang et al. 2021): the first round stands for the camera and its file, the second for the way
through the web; a last sinc for the sharpening of either. All parameters are drawn first, so a degradation can be
written down and repeated; sizes are told in pixels of the low-resolution result, so a preset means the same at every
scale, also at 1, where nothing is made smaller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from srcli.degradation.kernels import Blur
from srcli.degradation.presets import PRESETS, Preset, Stage
from srcli.geometry import Size

ANTIALIASED = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
ALIASED = {"bilinear-aliased": cv2.INTER_LINEAR, "bicubic-aliased": cv2.INTER_CUBIC}
RESIZERS = {**dict.fromkeys(ANTIALIASED, 0.21), **dict.fromkeys(ALIASED, 0.08)}  # with their shares
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of standard deviation `sigma` in 8-bit steps (Poisson: at white). `grey`: the same in all channels."""

    kind: str  # gaussian or poisson
    sigma: float
    grey: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A trip through a JPEG file. `halved`: chroma at half the resolution (4:2:0)."""

    quality: int
    halved: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One round; None for what is left out. size: that of the picture after it, as a factor of the final size."""

    blur: Blur | None
    size: float
    resizer: str
    noise: Noise | None
    jpeg: Jpeg | None


@dataclass(frozen=True, slots=True)
class Degradation:
    """Everything that happens to a photo. `sinc` comes after the last resize: before the last JPEG or after it."""

    preset: str
    scale: float
    seed: int
    first: Round
    second: Round
    sinc: Blur | None
    sinc_last: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Degradation:
        """What `to_dict` gave, also by way of JSON; other entries of the table are ignored."""
        return cls(
            table["preset"], table["scale"], table["seed"], _round_from(table["first"]), _round_from(table["second"]),
            _blur_from(table["sinc"]), table["sinc_last"],
        )  # fmt: skip

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        """uint8 RGB (H, W, 3) to the low-resolution (size.height, size.width, 3)."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
        middle = Size(*(max(1, round(n * self.first.size)) for n in (size.height, size.width)))
        image = jpeg(noisy(_resized(_blurred(image, self.first.blur), middle, self.first.resizer), self.first.noise),
                      self.first.jpeg)  # fmt: skip
        image = _resized(_blurred(image, self.second.blur), size, self.second.resizer)
        image = noisy(image, self.second.noise)
        if self.sinc_last:
            return _blurred(jpeg(image, self.second.jpeg), self.sinc)
        return jpeg(_blurred(image, self.sinc), self.second.jpeg)


def draw(preset: str | Preset, scale: float, seed: int, *, grey: bool = False) -> Degradation:
    """A degradation of a preset (light, moderate, heavy). The same arguments give the same one.

    grey: for grey pictures, whose noise has no colour.
    """
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    rng = np.random.default_rng(seed)
    middle = float(np.exp(rng.uniform(*np.log(chosen.middle)))) if rng.random() < chosen.middle_share else scale
    middle = min(middle, max(scale, 1.0))  # a round trip above the photo's own size would only blur
    first = _round(rng, chosen.first, scale, middle)
    second = replace(_round(rng, chosen.second, middle, 1.0), size=1.0)
    sinc = Blur("sinc", cutoff=rng.uniform(*chosen.sinc_cutoff)) if rng.random() < chosen.sinc_share else None
    sinc_last = bool(rng.random() < 0.5)
    if grey:
        first, second = (replace(r, noise=r.noise and replace(r.noise, grey=True)) for r in (first, second))
    return Degradation(chosen.name, scale, seed, first, second, sinc, sinc_last)


def seed_of(name: str, scale: float, seed: int = 0) -> int:
    """The seed of a picture by its name and scale, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{name} {scale:g} {seed}".encode()).digest()[:6], "big")


def _round_from(table: Mapping[str, Any]) -> Round:
    noise, jpeg = table["noise"], table["jpeg"]
    return Round(
        _blur_from(table["blur"]), table["size"], table["resizer"], noise and Noise(**noise), jpeg and Jpeg(**jpeg)
    )


def _blur_from(table: Mapping[str, Any] | None) -> Blur | None:
    return None if table is None else Blur(**{**table, "sigma": tuple(table["sigma"])})


def _round(rng: np.random.Generator, stage: Stage, unit: float, size: float) -> Round:
    """unit: pixels of the picture that is blurred in one of the final picture."""
    # Drawn whether used or not: a share that is changed in a preset leaves the other draws as they are.
    blur, resizer = _blur(rng, stage, unit), str(rng.choice(list(RESIZERS), p=list(RESIZERS.values())))
    kind = "poisson" if rng.random() < stage.poisson_share else "gaussian"
    low, high = stage.noise
    noise = Noise(kind, low * (high / low) ** float(rng.random()), bool(rng.random() < 0.4), int(rng.integers(2**31)))
    jpeg = Jpeg(int(rng.integers(stage.jpeg[0], stage.jpeg[1] + 1)), bool(rng.random() < 0.7))
    used = rng.random(3) < (stage.blur_share, stage.noise_share, stage.jpeg_share)
    return Round(blur if used[0] else None, size, resizer, noise if used[1] else None, jpeg if used[2] else None)


def _blur(rng: np.random.Generator, stage: Stage, unit: float) -> Blur:
    if rng.random() < stage.sinc_share:
        # In a picture that will be made smaller, only cutoffs near the final Nyquist frequency show.
        return Blur("sinc", cutoff=rng.uniform(1.0, np.pi) / max(1.0, unit))
    kind = str(rng.choice(["gaussian", "generalised", "plateau"], p=[0.7, 0.15, 0.15]))
    shape = 1.0 if kind == "gaussian" else float(rng.uniform(*((0.5, 4.0) if kind == "generalised" else (1.0, 2.0))))
    sigma = rng.uniform(*stage.blur, size=2) * unit
    round_one, angle = rng.random() < 0.6, float(rng.uniform(0, np.pi))
    first, second = float(sigma[0]), float(sigma[0 if round_one else 1])
    return Blur(kind, (first, second), angle, shape)


def _blurred(image: np.ndarray, blur: Blur | None) -> np.ndarray:
    return image if blur is None else cv2.filter2D(image, -1, blur.kernel(), borderType=cv2.BORDER_REFLECT_101)


def _resized(image: np.ndarray, size: Size, resizer: str) -> np.ndarray:
    if image.shape[:2] == (size.height, size.width):
        return image
    if resizer in ALIASED:
        return cv2.resize(image, (size.width, size.height), interpolation=ALIASED[resizer])
    return np.asarray(Image.fromarray(image).resize((size.width, size.height), ANTIALIASED[resizer]))


def noisy(image: np.ndarray, noise: Noise | None) -> np.ndarray:
    """The image, uint8 RGB (H, W, 3), with noise."""
    if noise is None:
        return image
    rng = np.random.default_rng(noise.seed)
    clean = image.astype(np.float32)
    if noise.kind == "poisson":
        levels = (clean @ LUMA)[..., None] if noise.grey else clean
        counts = 255 / noise.sigma**2  # photons that make one 8-bit step
        change = (rng.poisson(levels * counts) / counts - levels).astype(np.float32)
    else:
        shape = (*image.shape[:2], 1 if noise.grey else 3)
        change = rng.standard_normal(shape, dtype=np.float32) * np.float32(noise.sigma)
    return np.rint(clean + change).clip(0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, how: Jpeg | None) -> np.ndarray:
    """The image, uint8 RGB (H, W, 3), after a trip through a JPEG file."""
    if how is None:
        return image
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if how.halved else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, how.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "it was encoded here"
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
