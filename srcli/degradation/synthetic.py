"""Synthetic degradation: blur, resizing, noise and JPEG, twice, like pictures on the web.

The order is that of Real-ESRGAN (Wang et al. 2021): the first round stands for the camera and its file, the second for
the web, the final sinc for sharpening. All parameters are drawn first, so a degradation can be stored and repeated.
Sizes are in pixels of the low-resolution result, so a preset means the same at every scale, including 1.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Noise.

    kind: gaussian or poisson.
    sigma: standard deviation in 8-bit steps; of Poisson noise, at white.
    grey: whether all channels get the same noise.
    """

    kind: str
    sigma: float
    grey: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Jpeg:
    """JPEG compression.

    halved: whether chroma has half the resolution (4:2:0).
    """

    quality: int
    halved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of degradation; None for parts that are left out.

    size: of the picture after it, as a factor of the final size.
    """

    blur: Blur | None
    size: float
    resizer: str
    noise: Noise | None
    jpeg: Jpeg | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """All parameters of a degradation.

    sinc_last: whether the final sinc comes after the last JPEG instead of before.
    """

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
        """The inverse of `to_dict`, also after a round trip through JSON; other entries are ignored."""
        return cls(
            preset=table["preset"],
            scale=table["scale"],
            seed=table["seed"],
            first=_round_from(table["first"]),
            second=_round_from(table["second"]),
            sinc=_blur_from(table["sinc"]),
            sinc_last=table["sinc_last"],
        )

    def __call__(self, image: np.ndarray, size: Size) -> np.ndarray:
        """Degrade uint8 RGB (H, W, 3) to (size.height, size.width, 3)."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
        middle = Size(*(max(1, round(n * self.first.size)) for n in (size.height, size.width)))
        image = jpeg(
            noisy(resized(_blurred(image, self.first.blur), middle, self.first.resizer), self.first.noise),
            self.first.jpeg,
        )
        image = resized(_blurred(image, self.second.blur), size, self.second.resizer)
        image = noisy(image, self.second.noise)
        if self.sinc_last:
            return _blurred(jpeg(image, self.second.jpeg), self.sinc)
        return jpeg(_blurred(image, self.sinc), self.second.jpeg)


def draw(preset: str | Preset, scale: float, seed: int, *, grey: bool = False) -> Degradation:
    """Draw a degradation. The same arguments give the same one.

    preset: light, moderate or heavy, or a Preset.
    grey: whether the noise has no colour, for grey pictures.
    """
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    rng = np.random.default_rng(seed)
    middle = float(np.exp(rng.uniform(*np.log(chosen.middle)))) if rng.random() < chosen.middle_share else scale
    middle = min(middle, max(scale, 1.0))  # resizing above the photo's own size would only blur
    first = _round(rng, chosen.first, scale, middle)
    second = replace(_round(rng, chosen.second, middle, 1.0), size=1.0)
    sinc = Blur("sinc", cutoff=rng.uniform(*chosen.sinc_cutoff)) if rng.random() < chosen.sinc_share else None
    sinc_last = bool(rng.random() < 0.5)
    if grey:
        first, second = (replace(r, noise=r.noise and replace(r.noise, grey=True)) for r in (first, second))
    return Degradation(
        preset=chosen.name, scale=scale, seed=seed, first=first, second=second, sinc=sinc, sinc_last=sinc_last
    )


def seed_of(name: str, scale: float, seed: int = 0) -> int:
    """A seed derived from a picture's name, the scale and a seed, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{name} {scale:g} {seed}".encode()).digest()[:6], "big")


def _round_from(table: Mapping[str, Any]) -> Round:
    noise, jpeg = table["noise"], table["jpeg"]
    return Round(
        blur=_blur_from(table["blur"]),
        size=table["size"],
        resizer=table["resizer"],
        noise=noise and Noise(**noise),
        jpeg=jpeg and Jpeg(**jpeg),
    )


def _blur_from(table: Mapping[str, Any] | None) -> Blur | None:
    return None if table is None else Blur(**{**table, "sigma": tuple(table["sigma"])})


def _round(rng: np.random.Generator, stage: Stage, unit: float, size: float) -> Round:
    """Draw one round.

    unit: pixels of the blurred picture per pixel of the final one.
    size: size after the round as a factor of the final size.
    """
    # All parts are drawn even if unused, so that changing a share leaves the other draws as they are.
    blur, resizer = _blur(rng, stage, unit), str(rng.choice(list(RESIZERS), p=list(RESIZERS.values())))
    kind = "poisson" if rng.random() < stage.poisson_share else "gaussian"
    low, high = stage.noise
    noise = Noise(
        kind=kind,
        sigma=low * (high / low) ** float(rng.random()),
        grey=bool(rng.random() < 0.4),
        seed=int(rng.integers(2**31)),
    )
    jpeg = Jpeg(int(rng.integers(stage.jpeg[0], stage.jpeg[1] + 1)), bool(rng.random() < 0.7))
    used = rng.random(3) < (stage.blur_share, stage.noise_share, stage.jpeg_share)
    return Round(
        blur=blur if used[0] else None,
        size=size,
        resizer=resizer,
        noise=noise if used[1] else None,
        jpeg=jpeg if used[2] else None,
    )


def _blur(rng: np.random.Generator, stage: Stage, unit: float) -> Blur:
    if rng.random() < stage.sinc_share:
        # If the picture will be downscaled, only cutoffs near the final Nyquist frequency show.
        return Blur("sinc", cutoff=rng.uniform(1.0, np.pi) / max(1.0, unit))
    kind = str(rng.choice(["gaussian", "generalised", "plateau"], p=[0.7, 0.15, 0.15]))
    shape = 1.0 if kind == "gaussian" else float(rng.uniform(*((0.5, 4.0) if kind == "generalised" else (1.0, 2.0))))
    sigma = rng.uniform(*stage.blur, size=2) * unit
    round_one, angle = rng.random() < 0.6, float(rng.uniform(0, np.pi))
    first, second = float(sigma[0]), float(sigma[0 if round_one else 1])
    return Blur(kind, sigma=(first, second), angle=angle, shape=shape)


def _blurred(image: np.ndarray, blur: Blur | None) -> np.ndarray:
    return image if blur is None else cv2.filter2D(image, -1, blur.kernel(), borderType=cv2.BORDER_REFLECT_101)


def resized(image: np.ndarray, size: Size, resizer: str) -> np.ndarray:
    """An image, uint8 RGB (H, W, 3), at another size. resizer: one of `RESIZERS`."""
    if image.shape[:2] == (size.height, size.width):
        return image
    if resizer in ALIASED:
        return cv2.resize(image, (size.width, size.height), interpolation=ALIASED[resizer])
    return np.asarray(Image.fromarray(image).resize((size.width, size.height), ANTIALIASED[resizer]))


def noisy(image: np.ndarray, noise: Noise | None) -> np.ndarray:
    """Add noise to an image, uint8 RGB (H, W, 3)."""
    if noise is None:
        return image
    rng = np.random.default_rng(noise.seed)
    clean = image.astype(np.float32)
    if noise.kind == "poisson":
        levels = (clean @ LUMA)[..., None] if noise.grey else clean
        counts = 255 / noise.sigma**2  # photons per 8-bit step
        change = (rng.poisson(levels * counts) / counts - levels).astype(np.float32)
    else:
        shape = (*image.shape[:2], 1 if noise.grey else 3)
        change = rng.standard_normal(shape, dtype=np.float32) * np.float32(noise.sigma)
    return np.rint(clean + change).clip(0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, settings: Jpeg | None) -> np.ndarray:
    """The image, uint8 RGB (H, W, 3), compressed as JPEG and decoded."""
    if settings is None:
        return image
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if settings.halved else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, settings.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "it was encoded here"
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
