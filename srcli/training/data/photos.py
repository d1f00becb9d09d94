"""Photos to training crops. A batch is a function of (seed, step) alone, so a resumed run sees the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srcli.degradation.bicubic import downscale
from srcli.degradation.everyday import Operation, light_harm
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.training.data.graphics import graphic
from srcli.training.data.places import Place
from srcli.training.data.prefetch import sent
from srcli.training.data.shown import Shown

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


class Lowered(Protocol):
    """Photos with low-resolution versions of the photo's size: see `generated` and `cameras`."""

    def pair(self, rng: np.random.Generator, side: Callable[[float], int]) -> tuple[np.ndarray, np.ndarray, float]:
        """The same random square of both, uint8 (n, n, 3), and the scale. side: pixels of the square at a scale."""


class Source(Protocol):
    """What crops are drawn from: photos, scenes at several levels, or photos with low-resolution versions."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """The same for the same pictures: a resumed run must have it."""


class TrainingDataError(SrcliError):
    """A data folder from which no crop can be cut."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSpec:
    """How a batch is cut. Sizes in pixels unless said otherwise. degradation: `degflow` for the scales and pictures of
    a generator (see `generated`) or `levels` for those of a camera (see `cameras`, its scales in `camera_scales`)
    instead of bicubic ones; empty for bicubic. graphics_share: share of drawn pictures instead of photos.
    degraded_share: share of LR crops with JPEG of quality 75 to 98 or noise of sigma up to 5; the photo stays the
    target."""

    batch: int = 12
    crop: int = 48  # side of an LR crop
    scales: tuple[float, float] = (1.0, 4.0)
    wide_scales: tuple[float, float] = (4.0, 8.0)
    wide_share: float = 0.0  # share of crops drawn from `wide_scales`
    whole_share: float = 0.0  # share of crops at one of `whole_scales`
    whole_scales: tuple[int, ...] = (2, 3, 4)
    windows: int = 3  # HR windows queried in each crop; 0: the upsampling alone is trained
    window: int = 16  # side of a window in patches
    patch: int = 3
    degradation: str = ""
    camera_scales: str = ""
    graphics_share: float = 0.0
    degraded_share: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.graphics_share, self.degraded_share)
        if not all(0 <= share <= 1 for share in shares):
            raise TrainingDataError(
                f"graphics_share and degraded_share are 0 to 1, not {shares[0]:g} and {shares[1]:g}"
            )
        if self.degradation and any(shares):
            raise TrainingDataError("graphics_share and degraded_share go without another degradation")

    @property
    def preset(self) -> None:
        """The low-resolution side is made by bicubic alone."""

    @property
    def shortest(self) -> int:
        """Least side of a photo."""
        return max(self.crop, self.window * self.patch)

    def draw(self, photos: Photos | Lowered, seed: int, step: int) -> Batch:
        """The batch of one step."""
        return draw_batch(photos, self, seed, step)

    def show(self, photos: Photos | Lowered, seed: int, step: int) -> list[Shown]:
        """The batch of one step, to look at."""
        crops = _crops(photos, self, seed, step)
        return [Shown(c.hr, c.lr, f"x{len(c.hr) / self.crop:.3g}: {c.words}") for c in crops]


@dataclass(frozen=True, slots=True)
class Batch:
    """LR crops with the photos they come from, and windows of patches in those.

    lr: (B, 3, crop, crop) in [0, 1]. photos: B times (3, n, n) in [0, 1], each of its own size. windows: V times
    (item, top, left) of a square of `side` HR pixels.
    """

    lr: Tensor
    photos: list[Tensor]
    windows: list[tuple[int, int, int]]
    side: int
    scale: Tensor  # (V,), on the CPU

    def cut(self, pictures: list[Tensor]) -> Tensor:
        """The windows of pictures (3, n, n) that lie like `photos`: (V, 3, side, side)."""
        side = self.side
        return torch.stack([pictures[i][:, y : y + side, x : x + side] for i, y, x in self.windows])

    def to(self, device: str) -> Batch:
        return Batch(
            sent(self.lr, device),
            [sent(photo, device) for photo in self.photos],
            self.windows,
            self.side,
            self.scale,
        )


class Photos:
    """All photos of a folder, decoded once and kept as uint8 RGB.

    hold_out: how many are left out for evaluation, `held`: those whose names have the smallest SHA-256.
    """

    def __init__(self, folder: Path, exclude: tuple[str, ...] = (), shortest: int = 48, hold_out: int = 0) -> None:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        files = [p for p in files if not any(fnmatch(p.name, pattern) for pattern in exclude)]
        self.held = sorted(sorted(files, key=lambda p: hashlib.sha256(p.name.encode()).digest())[:hold_out])
        self.files = [p for p in files if p not in self.held]
        self.images = [_photo(p) for p in self.files]
        self.images = [i for i in self.images if min(i.shape[:2]) >= shortest]
        if not self.images:
            raise TrainingDataError(f"no photo of at least {shortest} pixels a side in {folder}")
        self.names = "\n".join(p.name for p in self.files)
        areas = np.array([i.shape[0] * i.shape[1] for i in self.images], dtype=np.float64)
        self.share = areas / areas.sum()

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        """Number of photos and a digest of their names."""
        return f"{len(self.images)} {hashlib.sha256(self.names.encode()).hexdigest()[:16]}"

    def crop(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A random square of at most `side` pixels, flipped and transposed at random. uint8 (n, n, 3)."""
        return self.cut(rng, self.draw(rng), side)

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a photo, by area."""
        return int(rng.choice(len(self.images), p=self.share))

    def cut(self, rng: np.random.Generator, index: int, side: int) -> np.ndarray:
        """`crop` of that photo."""
        return self.at(self.place(rng, index, side))

    def place(self, rng: np.random.Generator, index: int, side: int) -> Place:
        """Where `cut` cuts."""
        height, width = self.images[index].shape[:2]
        side = min(side, height, width)
        top, left = (int(rng.integers(n - side + 1)) for n in (height, width))
        down, across, turned = (bool(rng.random() < 0.5) for _ in range(3))
        return Place(index=index, side=side, top=top, left=left, flipped=(down, across), turned=turned)

    def at(self, place: Place) -> np.ndarray:
        """A square, uint8 (n, n, 3)."""
        return np.ascontiguousarray(place.cut(self.images[place.index]))


def _photo(path: Path) -> np.ndarray:
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise TrainingDataError(f"{path} is not a photo that can be read: {error}") from None


@dataclass(frozen=True, slots=True)
class CropPlan:
    """A crop of a photo, as it is drawn before anything is computed: its square, what happens to the LR crop, and the
    corners of its windows."""

    place: Place
    harm: Operation | None
    corners: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Crop:
    """A square of a photo, uint8 (n, n, 3), the LR crop made of it, the corners of its windows, and words."""

    hr: np.ndarray
    lr: np.ndarray
    corners: list[tuple[int, int]]
    words: str


def draw_batch(photos: Photos | Lowered, spec: CropSpec, seed: int, step: int) -> Batch:
    """One step's batch. LR by 8-bit antialiased bicubic, of what is degraded or not; windows start at any HR pixel."""
    crops = _crops(photos, spec, seed, step)
    windows = [(item, top, left) for item, crop in enumerate(crops) for top, left in crop.corners]
    scales = [len(crop.hr) / spec.crop for crop in crops for _ in crop.corners]
    lrs, hrs = [to_tensor(crop.lr) for crop in crops], [to_tensor(crop.hr) for crop in crops]
    return Batch(torch.stack(lrs), hrs, windows, spec.window * spec.patch, torch.tensor(scales))


def _crops(photos: Photos | Lowered, spec: CropSpec, seed: int, step: int) -> list[_Crop]:
    rng = np.random.default_rng((seed, step))
    return [_crop(photos, spec, rng) for _ in range(spec.batch)]


def plan(photos: Photos, spec: CropSpec, rng: np.random.Generator) -> CropPlan:
    """A crop of a photo."""
    length = _side(spec, _scale(rng, spec))
    place = photos.place(rng, photos.draw(rng), length)
    return CropPlan(place, _harm(spec, rng), _corners(spec, place.side, rng))


def _crop(photos: Photos | Lowered, spec: CropSpec, rng: np.random.Generator) -> _Crop:
    if isinstance(photos, Photos) and not spec.graphics_share:
        planned = plan(photos, spec, rng)
        hr, harm, corners, words = photos.at(planned.place), planned.harm, planned.corners, "photo, bicubic"
        lower = hr
    else:
        hr, lower, words = _pair(photos, spec, rng)
        harm, corners = _harm(spec, rng), _corners(spec, len(hr), rng)
    lr = downscale(lower, spec.crop, spec.crop)
    if harm is not None:
        lr, words = harm(lr, Size(spec.crop, spec.crop)), f"{words}, {harm}"
    return _Crop(hr, lr, corners, words)


def _harm(spec: CropSpec, rng: np.random.Generator) -> Operation | None:
    return light_harm(rng) if spec.degraded_share and rng.random() < spec.degraded_share else None


def _corners(spec: CropSpec, length: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    room = length - spec.window * spec.patch + 1
    return [(int(top), int(left)) for top, left in (rng.integers(room, size=2) for _ in range(spec.windows))]


def _side(spec: CropSpec, scale: float) -> int:
    """Pixels of the square of a crop."""
    return max(spec.window * spec.patch if spec.windows else 1, round(spec.crop * scale))


def _pair(photos: Photos | Lowered, spec: CropSpec, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
    """A square of a photo or a graphic, what is made smaller, which is the same or a degraded version of it, and
    words."""
    if not isinstance(photos, Photos):
        hr, lower, _ = photos.pair(rng, lambda scale: _side(spec, scale))
        return hr, lower, f"photo, {spec.degradation}"
    drawn = rng.random() < spec.graphics_share
    length = _side(spec, _scale(rng, spec))
    hr, words = graphic(rng, length) if drawn else (photos.crop(rng, length), "photo")
    return hr, hr, f"{words}, bicubic"


def _scale(rng: np.random.Generator, spec: CropSpec) -> float:
    kind = rng.random()
    if kind < spec.wide_share:
        return rng.uniform(*spec.wide_scales)
    if kind < spec.wide_share + spec.whole_share:
        return float(rng.choice(spec.whole_scales))
    return rng.uniform(*spec.scales)


def to_tensor(image: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) to float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
