"""A blind comparison: the same part of each picture by several models, in pairs whose sides are shuffled by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

from srcli import __version__, images
from srcli.bench import ballots, windows
from srcli.bench.ballots import Ballot
from srcli.bench.compare import CompareError, Scene
from srcli.bench.variants import PairError
from srcli.bench.votes import Votes
from srcli.errors import SrcliError
from srcli.geometry import Target, Window
from srcli.images import Picture, folders
from srcli.images.picture import quantise, unit
from srcli.report import page
from srcli.tiling.model import Sampling
from srcli.upscaler import Upscaler

CONTEXT = 64  # input pixels around the part shown that a model sees
SHOWN = 512  # pixels a side of the part shown, by default


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to be shown, and the part of it.

    picture: what models enlarge; for finished versions, the first of these.
    """

    name: str
    path: Path
    picture: Picture
    window: Window


class Candidate(Protocol):
    """Something that people vote on."""

    name: str

    def weights(self) -> list[str]:
        """SHA-256 of its weights; nothing for finished pictures."""

    def shown(self, source: Source, scale: float) -> Picture:
        """Its version of the part. Raises SrcliError."""


@dataclass(slots=True)
class Model:
    """A model and its dials."""

    name: str
    upscaler: Upscaler
    sampling: Sampling = field(default_factory=Sampling)

    def weights(self) -> list[str]:
        return self.upscaler.digests()

    def shown(self, source: Source, scale: float) -> Picture:
        picture, window = source.picture, source.window
        chosen = self.upscaler.pick(picture, self.upscaler.settled(self.sampling))
        seen = window.within(picture.size, CONTEXT, windows.grid_of(scale))
        made = chosen.upscaler.run(cut(picture, seen), Target(scale=scale), chosen.sampling).picture
        return cut(made, windows.enlarged(window.inside(seen), scale, made.size))


@dataclass(slots=True)
class Finished:
    """Pictures that are there already, whole.

    find: the file of a source.
    """

    name: str
    find: Callable[[Source], Path]

    def weights(self) -> list[str]:
        return []

    def shown(self, source: Source, scale: float) -> Picture:
        path, size = self.find(source), Target(scale=scale).size(source.picture.size)
        picture = opaque(images.read(path))
        if picture.size != size:
            raise PairError(f"{path} has {picture.size} pixels, not {size}")
        return cut(picture, windows.enlarged(source.window, scale, size))


def folder(path: Path, name: str | None = None) -> Finished:
    """The results of another tool, matched by name. Raises CompareError."""
    if not path.is_dir():
        raise CompareError(f"{path} is not a folder")
    files = folders.pictures(path)

    def find(source: Source) -> Path:
        found = folders.find(source.path.name, files)
        if len(found) != 1:
            raise PairError(f"{source.name}: {len(found) or 'no'} pictures of that name in {path}")
        return found[0]

    return Finished(name or path.resolve().name, find)


def versions(found: Sequence[Scene], labels: Sequence[str]) -> list[Finished]:
    """Candidates for versions of pictures, as `srcli compare` shows them."""
    files = {scene.name: scene.shots for scene in found}
    return [Finished(label, lambda source, n=n: files[source.name][n]) for n, label in enumerate(labels)]  # type: ignore[misc]


def files_of(inputs: Sequence[Path]) -> dict[str, Path]:
    """The pictures among files and folders, by a distinct name. Raises CompareError."""
    found: list[Path] = []
    for path in inputs:
        if not path.exists():
            raise CompareError(f"{path} does not exist")
        found += folders.pictures(path) if path.is_dir() else [path]
    if not found:
        raise CompareError(f"no pictures in {', '.join(map(str, inputs))}")
    names = [path.name for path in found]
    return {path.name if names.count(path.name) == 1 else str(path): path for path in found}


def sources(files: Mapping[str, Path], scale: float, crop: int, problems: list[str]) -> Iterator[Source]:
    """Read pictures and choose the part of each with most detail. Errors are added to `problems`.

    crop: pixels a side of the part, in the result.
    """
    side = max(1, round(crop / scale))
    for name, path in files.items():
        try:
            picture = opaque(images.read(path))
        except SrcliError as error:
            problems.append(str(error))
            continue
        yield Source(name, path, picture, windows.detailed(picture.rgb(), side, windows.grid_of(scale)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is compared with what.

    seed: of the order of pairs and of their sides.
    against: only pairs with this candidate; None for all pairs.
    """

    scale: float
    seed: int = 0
    against: str | None = None

    def pairs(self, names: Sequence[str]) -> list[tuple[int, int]]:
        """Pairs of numbers of candidates. Raises CompareError."""
        if len(names) < 2:
            raise CompareError("a blind comparison needs at least two candidates: -n, -m or --score")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise CompareError(f"two candidates are called {twice[0]}")
        if self.against is not None and self.against not in names:
            raise CompareError(f"--against {self.against} is not among {', '.join(names)}")
        return [(a, b) for a, b in combinations(range(len(names)), 2) if self.against in (None, names[a], names[b])]


def ballot(
    found: Iterator[Source],
    candidates: Sequence[Candidate],
    design: Design,
    earlier: Votes | None,
    problems: list[str],
    show_input: bool = True,
) -> Ballot:
    """Make all versions and draw the order of the pairs. A picture without one of the versions is named in `problems`
    and left out.

    earlier: votes that are there; their pairs are not asked again.

    Raises CompareError, or VotesError if the earlier votes are for other weights or another scale.
    """
    names = [candidate.name for candidate in candidates]
    pairs = design.pairs(names)
    votes = _file_of(candidates, design, earlier)
    rng = random.Random(design.seed)
    scenes, asked, order = [], [], []
    for source in found:
        places = rng.sample(range(len(names)), len(names))  # place of each candidate's version in the page
        sides = [(a, b) if rng.random() < 0.5 else (b, a) for a, b in pairs]
        try:
            made = [candidate.shown(source, design.scale) for candidate in candidates]
            scenes.append(_scene(source, made, places, show_input))
        except SrcliError as error:
            problems.append(str(error) if source.name in str(error) else f"{source.name}: {error}")
            continue
        order.append([places.index(place) for place in range(len(names))])
        asked += [(len(scenes) - 1, places[a], places[b]) for a, b in sides]
    rng.shuffle(asked)
    drawn = Ballot(scenes=scenes, pairs=asked, candidates=names, order=order, votes=votes)
    drawn.pairs = drawn.open(votes)
    return drawn


def _scene(source: Source, made: Sequence[Picture], places: Sequence[int], show_input: bool) -> dict[str, Any]:
    if len({picture.size for picture in made}) > 1:
        raise PairError(f"{source.name}: the versions have different sizes, {', '.join(str(p.size) for p in made)}")
    size, shots = made[0].size, [""] * len(made)
    for picture, place in zip(made, places, strict=True):
        shots[place] = page.picture_url(picture)
    low = page.picture_url(cut(source.picture, source.window)) if show_input else None
    return {"name": source.name, "width": size.width, "height": size.height, "shots": shots, "input": low}


def _file_of(candidates: Sequence[Candidate], design: Design, earlier: Votes | None) -> Votes:
    """The file of votes to begin with. Raises VotesError."""
    today = ballots.today()
    models = {candidate.name: candidate.weights() for candidate in candidates}
    fresh = Votes(srcli=__version__, seed=design.seed, scale=design.scale, made=today, saved=today, models=models)
    if earlier is None:
        return fresh
    earlier.check_fits(models, "--votes")
    if earlier.scale != design.scale:
        raise CompareError(f"--votes has votes at x{earlier.scale:g}, not x{design.scale:g}; use another file")
    return replace(fresh, models=earlier.models | models, votes=list(earlier.votes))


def cut(picture: Picture, window: Window) -> Picture:
    """A part of a picture."""
    alpha = None if picture.alpha is None else picture.alpha[window.slices]
    return replace(picture, colour=picture.colour[window.slices], alpha=alpha)


def opaque(picture: Picture) -> Picture:
    """The picture on white."""
    if picture.alpha is None:
        return picture
    alpha = unit(picture.alpha)[..., None]
    colour = unit(picture.colour, picture.span) * alpha + (1 - alpha)
    return replace(picture, colour=quantise(colour, picture.colour.dtype, picture.span), alpha=None)
