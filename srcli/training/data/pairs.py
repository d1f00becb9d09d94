"""Real photos of one scene at several resolutions, aligned to the pixel, in the layout of RealSR."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from srcli.training.data.photos import TrainingDataError

HELD_BYTES = 4 * 2**30  # of decoded pictures that are kept
SHARP = 1


class Pairs:
    """Scenes of a folder, CAMERA/Train/2/CAMERA_ID_HR.png and CAMERA/Train/S/CAMERA_ID_LRS.png, all of one size.

    levels: the scales that every scene must have beside the sharp picture. part: Train or Test. Pictures are decoded
    when they are first drawn.
    """

    def __init__(self, folder: Path, levels: tuple[int, ...], shortest: int, part: str = "Train") -> None:
        if not folder.is_dir():
            raise TrainingDataError(f"the folder of pairs {folder} does not exist")
        found = {p: _scene(p, levels) for p in sorted(folder.glob(f"*/{part}/2/*_HR.png"))}
        self.scenes = [scene for scene in found.values() if scene is not None]
        self.scenes = [s for s in self.scenes if min(_size(s[SHARP])) >= shortest]
        if not self.scenes:
            need = ", ".join(f"{n}/*_LR{n}.png" for n in levels if n != SHARP)
            raise TrainingDataError(
                f"no scene of at least {shortest} pixels a side in {folder}; "
                f"RealSR has CAMERA/{part}/2/*_HR.png and {need}"
            )
        self.held: list[Path] = []
        self._decoded: dict[Path, np.ndarray] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.scenes)

    def fingerprint(self) -> str:
        """Number of scenes and a digest of their names."""
        names = "\n".join(f"{scene[SHARP].parent.parent.parent.name}/{scene[SHARP].name}" for scene in self.scenes)
        return f"{len(self.scenes)} pairs {hashlib.sha256(names.encode()).hexdigest()[:16]}"

    def crops(self, rng: np.random.Generator, side: int) -> dict[int, np.ndarray]:
        """The same random square of a scene at every level, turned at random: uint8 (n, n, 3) by scale, n at most
        `side` and what the scene has."""
        scene = self.scenes[rng.integers(len(self.scenes))]
        images = {level: self.read(path) for level, path in scene.items()}
        sizes = {image.shape for image in images.values()}
        if len(sizes) > 1:
            raise TrainingDataError(f"the levels of {scene[SHARP]} are not of one size")
        height, width = images[SHARP].shape[:2]
        side = min(side, height, width)
        y, x = (int(rng.integers(n - side + 1)) for n in (height, width))
        flips, turned = rng.random(2) < 0.5, rng.random() < 0.5

        def cut(image: np.ndarray) -> np.ndarray:
            piece = image[y : y + side, x : x + side]
            piece = piece[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
            return np.ascontiguousarray(piece.swapaxes(0, 1) if turned else piece)

        return {level: cut(image) for level, image in images.items()}

    def read(self, path: Path) -> np.ndarray:
        """A picture, uint8 (H, W, 3)."""
        if path not in self._decoded:
            try:
                image = np.asarray(Image.open(path).convert("RGB"))
            except OSError as error:
                raise TrainingDataError(f"{path} is not a photo that can be read: {error}") from None
            if self._bytes + image.nbytes > HELD_BYTES:
                return image
            self._decoded[path], self._bytes = image, self._bytes + image.nbytes
        return self._decoded[path]


def _scene(sharp: Path, levels: tuple[int, ...]) -> dict[int, Path] | None:
    """The files of a scene by scale, None where one is missing."""
    stem = sharp.name.removesuffix("_HR.png")
    lower = {n: sharp.parent.parent / str(n) / f"{stem}_LR{n}.png" for n in levels if n != SHARP}
    return {SHARP: sharp} | lower if all(p.is_file() for p in lower.values()) else None


def _size(path: Path) -> tuple[int, int]:
    """Without decoding; nothing for what is no picture."""
    try:
        with Image.open(path) as image:
            return image.size
    except OSError:
        return 0, 0
