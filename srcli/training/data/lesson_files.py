"""Lessons on disk: shards of safetensors, and `lessons.json`, which says how they were made.

Strong teachers are slow: their lessons are made once, before a run, and can be stopped and gone on with.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from srcli import files
from srcli.training.data.lessons import Lesson, TaughtPhotos
from srcli.training.data.photos import TrainingDataError

ABOUT = "lessons.json"
PICTURES = ("truth", "enlarged", "taught")
SHARD = 256  # lessons, at the most, in a file


class LessonFiles:
    """Lessons of a folder. Files are mapped, not read: what is drawn is read from disk or from its cache.

    folder: made by `make_lessons`. shortest: least side of the lessons. Raises TrainingDataError.
    """

    def __init__(self, folder: Path, shortest: int = 0) -> None:
        self.folder, self.about = folder, read_about(folder)
        self.side = int(self.about["side"])
        if self.side < shortest:
            raise TrainingDataError(
                f"the lessons in {folder} have {self.side} pixels a side; the recipe cuts {shortest}"
            )
        self.shards = sorted(self.about["shards"])
        if not self.shards:
            raise TrainingDataError(f"no lesson in {folder} is finished; run srcli train pairs again to go on")
        for shard in self.shards:
            if not (folder / shard).is_file():
                raise TrainingDataError(f"{folder / shard} is missing; run srcli train pairs again to make it")
        counts = [self.about["shards"][shard]["count"] for shard in self.shards]
        self.ends = np.cumsum(counts)
        self._open: dict[str, Any] = {}

    def __len__(self) -> int:
        return int(self.ends[-1])

    def fingerprint(self) -> str:
        """Number of lessons and a digest of the shards' digests."""
        digests = "\n".join(self.about["shards"][shard]["sha256"] for shard in self.shards)
        return f"{len(self)} lessons {hashlib.sha256(digests.encode()).hexdigest()[:16]}"

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a lesson."""
        return int(rng.integers(len(self)))

    def everything(self) -> dict[str, np.ndarray]:
        """All lessons in memory: `PICTURES`, uint8 (N, side, side, 3) each, and `kind`, (N,)."""
        found = {name: [self._file(shard).get_tensor(name) for shard in self.shards] for name in (*PICTURES, "kind")}
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def lesson(self, rng: np.random.Generator) -> Lesson:
        """A random one."""
        index = self.draw(rng)
        shard = int(np.searchsorted(self.ends, index, side="right"))
        row = index - (int(self.ends[shard - 1]) if shard else 0)
        file = self._file(self.shards[shard])
        truth, enlarged, taught = (file.get_slice(name)[row] for name in PICTURES)
        return Lesson(truth=truth, enlarged=enlarged, taught=taught, kind=int(file.get_slice("kind")[row : row + 1][0]))

    def _file(self, shard: str) -> Any:
        if shard not in self._open:
            try:
                self._open[shard] = safe_open(self.folder / shard, framework="numpy")
            except (OSError, SafetensorError) as error:
                raise TrainingDataError(f"{self.folder / shard} cannot be read: {error}") from None
        return self._open[shard]


def make_lessons(
    source: TaughtPhotos,
    folder: Path,
    count: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Make lessons until the folder has `count` of them; each shard is a function of the seed and its number.

    Finished shards are kept. progress: told how many lessons there are. Returns how many were made now.
    Raises TrainingDataError where the folder's lessons were made otherwise.
    """
    files.make_folder(folder)
    about = _begun(folder, source, seed)
    made = 0
    for number in range(-(-count // SHARD)):
        name, wanted = f"{number:05d}.safetensors", min(SHARD, count - number * SHARD)
        there = about["shards"].get(name)
        if there and there["count"] >= wanted and (folder / name).is_file():
            progress(min(count, (number + 1) * SHARD))
            continue
        rng = np.random.default_rng((seed, number))
        found = []
        for _ in range(wanted):
            found.append(source.lesson(rng))
            progress(number * SHARD + len(found))
        about["shards"][name] = {"count": wanted, "sha256": _write(folder / name, found)}
        _write_about(folder, about)
        made += wanted
    return made


def read_about(folder: Path) -> dict[str, Any]:
    """What a folder of lessons says about itself. Raises TrainingDataError."""
    try:
        about = json.loads((folder / ABOUT).read_text())
        return about | {"side": int(about["side"]), "shards": dict(about["shards"])}
    except FileNotFoundError:
        raise TrainingDataError(f"{folder} holds no lessons; srcli train pairs makes them") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingDataError(f"{folder / ABOUT} cannot be read: {error}") from None


def _begun(folder: Path, source: TaughtPhotos, seed: int) -> dict[str, Any]:
    settings = {
        "teacher": source.teacher.name,
        "teacher_sha256": source.teacher.digest,
        "photos": source.photos.fingerprint(),
        "side": source.side,
        "margin": source.margin,
        "seed": seed,
        "shards": {},
    }
    if not (folder / ABOUT).is_file():
        return settings
    about = read_about(folder)
    for key, value in settings.items():
        if key != "shards" and about.get(key) != value:
            raise TrainingDataError(
                f"{folder} holds lessons of another {key} ({about.get(key)}); choose another folder"
            )
    return about


def _write(path: Path, lessons: list[Lesson]) -> str:
    """Write a shard aside and rename it. Returns its SHA-256."""
    # safetensors writes memory as it lies: stacks of transposed pictures keep their order of axes.
    tensors = {name: np.ascontiguousarray([getattr(lesson, name) for lesson in lessons]) for name in PICTURES}
    tensors["kind"] = np.array([lesson.kind for lesson in lessons], np.uint8)
    part = path.with_name(path.name + ".part")
    save_file(tensors, part)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    os.replace(part, path)
    return digest


def _write_about(folder: Path, about: dict[str, Any]) -> None:
    part = folder / (ABOUT + ".part")
    part.write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    os.replace(part, folder / ABOUT)
