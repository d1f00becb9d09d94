"""Scores of a network on a folder of photos while it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srcli.degradation import everyday, synthetic
from srcli.degradation.bicubic import downscale
from srcli.degradation.levels import Camera, draw_camera
from srcli.geometry import Size
from srcli.metrics.psnr import psnr
from srcli.networks.trainable import Trainable
from srcli.tiling.model import Model, Sampling
from srcli.training.data.degraded import EVERYDAY
from srcli.training.data.pairs import Pairs
from srcli.training.data.photos import SUFFIXES, to_tensor
from srcli.training.inference import to_bytes, whole
from srcli.training.recipe import Recipe, RecipeError
from srcli.training.task import LevelTask, N, PictureTask, Task


class Validation:
    """Mean PSNR-Y over a folder at each scale, low-resolution side by 8-bit bicubic, by a preset of degradations or by
    a camera of levels (`camera`), the same for a photo each time; border = scale. sampling: instead of the task's."""

    def __init__(
        self,
        folder: Path,
        scales: tuple[int, ...] = (2, 3, 4),
        sampling: Sampling | None = None,
        preset: str | None = None,
        camera: bool = False,
    ) -> None:
        self.camera = camera
        named = photos_of(folder)
        self.names, self.photos = list(named), list(named.values())
        self.scales, self.sampling, self.preset = scales, sampling, preset

    @classmethod
    def of(cls, recipe: Recipe, folder: Path) -> Validation:
        """With low-resolution pictures like those that a recipe learns from."""
        return cls(folder, preset=recipe.crops.preset, camera=_has_camera(recipe))

    def __call__(self, task: PictureTask[N], network: N) -> dict[str, float]:
        device = next(network.parameters()).device
        model = task.pipeline(network).to(device)
        sampling = self.sampling or task.sampling
        scores = {}
        for scale in self.scales:
            pairs = zip(self.names, self.photos, strict=True)
            values = [self._score(model, name, photo, scale, sampling, device) for name, photo in pairs]
            scores[f"psnr_y_x{scale}"] = round(float(np.mean(values)), 4)
        return scores

    def _score(
        self, model: Model, name: str, photo: np.ndarray, scale: int, sampling: Sampling, device: torch.device
    ) -> float:
        height, width = (n // scale * scale for n in photo.shape[:2])
        hr = photo[:height, :width]
        lr = to_tensor(self._low(name, hr, scale, Size(height // scale, width // scale)))[None].to(device)
        return psnr(to_bytes(whole(model, lr, Size(height, width), sampling)), hr, border=scale)

    def _low(self, name: str, photo: np.ndarray, scale: int, size: Size) -> np.ndarray:
        if self.camera:
            return downscale(camera_of(name)(photo, scale), size.height, size.width)
        if self.preset is None:
            return downscale(photo, size.height, size.width)
        seed = synthetic.seed_of(name, scale)
        if self.preset == EVERYDAY:
            return everyday.draw("moderate", scale, seed)(photo, size)
        return synthetic.draw(self.preset, scale, seed)(photo, size)


class LevelValidation:
    """Mean PSNR over RGB of the levels 2, 3 and 4 as a task makes them, in the middle of each photo of a folder, from
    levels made by a camera that is the same for a photo each time, or of the Test part of a folder of real levels
    (`Pairs`). Level 3 is not among those of the recipes, but for photos made smaller (`shrink`).

    `own`: the same of what the photo's own latent, that of level 1, comes back as; the rest is what latents are worth.
    """

    def __init__(self, folder: Path, side: int = 256, align: int = 64) -> None:
        self.cases: list[dict[int, Tensor]] = []
        for name, levels in _levels(folder, align):
            height, width = (min(n, side) // align * align for n in levels[1].shape[:2])
            if not height or not width:
                raise RecipeError(f"{name} in {folder} has less than {align} pixels a side")
            top, left = ((n - m) // 2 for n, m in zip(levels[1].shape, (height, width), strict=False))
            inner = np.s_[top : top + height, left : left + width]
            self.cases.append({s: to_tensor(level[inner])[None] for s, level in levels.items()})

    def __call__(self, task: LevelTask[N], network: N) -> dict[str, float]:
        device = next(network.parameters()).device
        found: dict[str, list[float]] = {f"{kind}_x{s}": [] for s in (2, 3, 4) for kind in ("psnr", "own")}
        for levels in self.cases:
            made = task.made(network, {s: level.to(device) for s, level in levels.items()})
            for scale in (2, 3, 4):
                for kind, picture in (("psnr", made[scale]), ("own", made[1])):
                    score = psnr(to_bytes(picture), to_bytes(levels[scale]), channel="rgb")
                    found[f"{kind}_x{scale}"].append(score)
        return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def validation_of(recipe: Recipe, task: Task, folder: Path) -> Callable[[Trainable], dict[str, float]]:
    """The scores of a task's network on a folder of photos."""
    if isinstance(task, LevelTask):
        return partial(LevelValidation(folder), task)
    assert isinstance(task, PictureTask), "tasks make pictures larger or levels"
    return partial(Validation.of(recipe, folder), task)


def _has_camera(recipe: Recipe) -> bool:
    return bool(getattr(recipe.crops, "degradation", ""))


def camera_of(name: str) -> Camera:
    """Of a photo, by its name."""
    return draw_camera(np.random.default_rng(synthetic.seed_of(name, 1)))


def _levels(folder: Path, align: int) -> Iterator[tuple[str, dict[int, np.ndarray]]]:
    """Photos of a folder at the levels 1 to 4, one after the other: real ones where its layout is theirs."""
    if any(folder.glob("*/Test/2/*_HR.png")):
        pairs = Pairs(folder, (1, 2, 3, 4), align, "Test")
        for scene in pairs.scenes:
            yield scene[1].name, {s: pairs.read(path) for s, path in scene.items()}
        return
    for name, photo in photos_of(folder).items():
        camera = camera_of(name)
        yield name, {s: camera(photo, s) for s in (1, 2, 3, 4)}


def photos_of(folder: Path) -> dict[str, np.ndarray]:
    """The photos of a validation folder by name, uint8 (H, W, 3)."""
    if not folder.is_dir():
        raise RecipeError(f"the validation folder {folder} does not exist")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise RecipeError(f"no photos in the validation folder {folder}")
    return {p.name: np.asarray(Image.open(p).convert("RGB")) for p in files}
