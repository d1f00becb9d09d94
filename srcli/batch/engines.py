"""The ways in which a photo is degraded: by a preset, along a learned path, and the path itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from srcli import __version__
from srcli.degradation import trajectory
from srcli.degradation.photo import Settings, degrade
from srcli.geometry import Size
from srcli.images import Picture

if TYPE_CHECKING:
    from srcli.degrader import Degrader

Progress = Callable[[int, int], None]
Frames = Sequence[Picture]  # one, or those of an animation
MARK = "degflow"  # in names of results


class Engine(Protocol):
    """What makes the results of a photo, each of which has a label of its own."""

    @property
    def mark(self) -> str:
        """What names of results carry before the label."""

    @property
    def model(self) -> str:
        """What {model} in a template becomes."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def settings(self, name: str) -> dict[str, Any]:
        """Everything but the pixels and the label that decides what comes of a photo of that name."""

    def scale(self, label: str) -> float | None:
        """Of a result; None where it has several."""

    def size(self, photo: Size, label: str) -> Size:
        """Of a result. Raises SrcliError for photos of which none can be made."""

    def told(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        """The parameters of a result."""

    def made(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        """The results with these labels, 8 bits a channel. Raises SrcliError."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Blur, noise and JPEG, drawn for each photo: one small picture."""

    how: Settings

    @property
    def mark(self) -> str:
        return self.how.preset

    @property
    def model(self) -> str:
        return self.how.preset

    @property
    def labels(self) -> tuple[str, ...]:
        return (f"x{self.how.scale:g}",)

    def settings(self, name: str) -> dict[str, Any]:
        return {"version": __version__, "name": name} | asdict(self.how)

    def scale(self, label: str) -> float | None:
        return self.how.scale

    def size(self, photo: Size, label: str) -> Size:
        return self.how.size(photo)

    def told(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        return self.how.degradation(name, grey=picture.grey).to_dict()

    def made(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        progress(0, 1)
        yield (degrade(picture, name, self.how),)
        progress(1, 1)


@dataclass(frozen=True, slots=True)
class Learned:
    """Results along a learned path, all from one solution of it. scales: by label. resize: truly smaller."""

    degrader: Degrader
    scales: dict[str, float]
    resize: bool = False
    mark = MARK

    @property
    def model(self) -> str:
        return self.degrader.parts.name

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.scales)

    def settings(self, name: str) -> dict[str, Any]:
        return self.degrader.told(resized=self.resize) | _computed(self.degrader)

    def scale(self, label: str) -> float | None:
        return self.scales[label]

    def size(self, photo: Size, label: str) -> Size:
        self.degrader.check(photo)
        return self.degrader.size(photo, self.scales[label], resize=self.resize)

    def told(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        return self.degrader.told_scale(self.scales[label], resize=self.resize) | _computed(self.degrader)

    def made(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        scales = [self.scales[label] for label in labels]
        for lower in self.degrader.degrade(picture, scales, resize=self.resize, progress=progress):
            yield (lower,)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The whole of a learned path, shown by the middle of the photo. kind: see `degradation.trajectory`."""

    degrader: Degrader
    kind: str
    mark = MARK

    @property
    def model(self) -> str:
        return self.degrader.parts.name

    @property
    def labels(self) -> tuple[str, ...]:
        return (trajectory.NAMES[self.kind],)

    def settings(self, name: str) -> dict[str, Any]:
        return self.degrader.told() | _computed(self.degrader)

    def scale(self, label: str) -> float | None:
        return None

    def size(self, photo: Size, label: str) -> Size:
        self.degrader.check(trajectory.shown(self.kind, photo))
        return trajectory.size(self.kind, photo)

    def told(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        return self.degrader.told(scales=[1.0, *trajectory.path_scales(self.kind)]) | _computed(self.degrader)

    def made(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        middle = trajectory.middle(self.kind, picture)
        scales = trajectory.path_scales(self.kind)
        frames = [middle, *self.degrader.degrade(middle, scales, progress=progress)]
        yield trajectory.cycle(frames) if self.kind == trajectory.MOVIE else (trajectory.strip(frames),)


def _computed(degrader: Degrader) -> dict[str, Any]:
    """What moves a result by a step or two of its 8 bits."""
    return {"precision": degrader.runtime.precision, "version": __version__}
