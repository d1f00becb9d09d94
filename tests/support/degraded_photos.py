"""Photos that nothing was trained on, degraded with the preset that models for degraded photos were trained on."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.bench.variants import Case
from srcli.degradation.synthetic import draw
from srcli.geometry import Size
from tests.support.places import EXAMPLES


def degraded(scale: int, seeds: int) -> list[Case]:
    """Each photo degraded as often as there are seeds."""
    made = []
    for path in sorted(p for p in EXAMPLES.iterdir() if p.suffix in (".png", ".jpg")):
        photo = np.asarray(Image.open(path).convert("RGB"))
        size = Size(photo.shape[0] // scale, photo.shape[1] // scale)
        photo = photo[: size.height * scale, : size.width * scale]
        made += [
            Case(name=path.name, scale=scale, reference=photo, low=draw("moderate", scale, seed)(photo, size))
            for seed in range(seeds)
        ]
    return made


def bicubic(low: np.ndarray, scale: int = 4) -> np.ndarray:
    height, width = low.shape[:2]
    return np.asarray(Image.fromarray(low).resize((width * scale, height * scale), Image.Resampling.BICUBIC))
