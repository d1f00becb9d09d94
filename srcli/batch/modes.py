"""The ways to degrade a photo: a preset, a learned path at chosen scales, or the whole path as a strip or movie."""

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
Frames = Sequence[Picture]  # one picture, or the frames of an animation
MARK = "degflow"  # in the names of learned results


class DegradeMode(Protocol):
    """Makes the degraded versions of a photo. Each version has its own label."""

    @property
    def mark(self) -> str:
        """The part of a result's name before the label."""

    @property
    def model(self) -> str:
        """The value of {model} in an output template."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One label per result, such as x2.4."""

    def settings(self, name: str) -> dict[str, Any]:
        """Everything that determines the results of the photo `name`, except its pixels and the label."""

    def scale(self, label: str) -> float | None:
        """The scale of a result; None if it shows several scales."""

    def size(self, photo: Size, label: str) -> Size:
        """The size of a result. Raises SrcliError if the photo cannot be degraded."""

    def parameters(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        """The parameters that are written beside a result."""

    def results(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        """Yield the results with these labels, in 8 bits per channel. Raises SrcliError."""


@dataclass(frozen=True, slots=True)
class PresetMode:
    """Random blur, noise and JPEG compression, drawn for each photo: one downscaled picture."""

    degradation: Settings

    @property
    def mark(self) -> str:
        return self.degradation.preset

    @property
    def model(self) -> str:
        return self.degradation.preset

    @property
    def labels(self) -> tuple[str, ...]:
        return (f"x{self.degradation.scale:g}",)

    def settings(self, name: str) -> dict[str, Any]:
        return {"version": __version__, "name": name} | asdict(self.degradation)

    def scale(self, label: str) -> float | None:
        return self.degradation.scale

    def size(self, photo: Size, label: str) -> Size:
        return self.degradation.size(photo)

    def parameters(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        return self.degradation.degradation(name, grey=picture.grey).to_dict()

    def results(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        progress(0, 1)
        yield (degrade(picture, name, self.degradation),)
        progress(1, 1)


@dataclass(frozen=True, slots=True)
class LearnedMode:
    """Results at several scales of a learned path, all from one solution of its ODE.

    scales: the scale of each label.
    resize: whether results are downscaled; if not, they keep the photo's size.
    """

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

    def parameters(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        return self.degrader.told_scale(self.scales[label], resize=self.resize) | _computed(self.degrader)

    def results(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        scales = [self.scales[label] for label in labels]
        for lower in self.degrader.degrade(picture, scales, resize=self.resize, progress=progress):
            yield (lower,)


@dataclass(frozen=True, slots=True)
class TrajectoryMode:
    """The whole learned path, shown on the middle of the photo.

    kind: "strip" (side by side) or "webp" (animated).
    """

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

    def parameters(self, name: str, picture: Picture, label: str) -> dict[str, Any]:
        return self.degrader.told(scales=[1.0, *trajectory.path_scales(self.kind)]) | _computed(self.degrader)

    def results(self, name: str, picture: Picture, labels: Sequence[str], progress: Progress) -> Iterator[Frames]:
        middle = trajectory.middle(self.kind, picture)
        scales = trajectory.path_scales(self.kind)
        frames = [middle, *self.degrader.degrade(middle, scales, progress=progress)]
        yield trajectory.cycle(frames) if self.kind == trajectory.MOVIE else (trajectory.strip(frames),)


def _computed(degrader: Degrader) -> dict[str, Any]:
    """Facts that can change an 8-bit result by a step or two."""
    return {"precision": degrader.runtime.precision, "version": __version__}
