"""A model whose pictures another one learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from srcli.geometry import Size
from srcli.methods.registry import assemble
from srcli.tiling.model import Model, Sampling
from srcli.training.data.photos import TrainingDataError, to_tensor
from srcli.training.inference import to_bytes, whole
from srcli.weights import manifest, model_files, store

LONGEST = 1024  # pixels a side of what a teacher is asked for: pictures are made in one piece


class Teacher:
    """A model that upscales, asked for squares of any size; it resamples its own scale.

    name: as runs and pairs call it. digest: SHA-256 of its weights.
    """

    def __init__(self, model: Model, name: str, digest: str) -> None:
        self.model, self.name, self.digest = model, name, digest

    def __call__(self, small: np.ndarray, side: int) -> np.ndarray:
        """The picture of a square, uint8 (n, n, 3) to (side, side, 3)."""
        if side > LONGEST:
            raise TrainingDataError(f"teachers make squares of at most {LONGEST} pixels, not {side}")
        return to_bytes(whole(self.model, to_tensor(small)[None], Size(side, side), Sampling(temperature=0.0)))


def find_teacher(name: str) -> Teacher:
    """The teacher that a name of the manifest or a file stands for. Raises SrcliError."""
    path = Path(name)
    if path.suffix:  # names of models have none
        loaded = model_files.load_files(path)
        pipeline, networks, digest = loaded.entry.pipeline, loaded.networks, store.sha256(path)
    else:
        entry = manifest.load().model(name)
        files = {role: store.locate(part) for role, part in entry.parts.items()}
        pipeline, digest = entry.pipeline, store.sha256(next(iter(files.values())))
        networks = {role: store.load_network(file) for role, file in files.items()}
    assert pipeline is not None, "entries of models that upscale name their method"
    return Teacher(assemble(pipeline, networks), path.name, digest)
