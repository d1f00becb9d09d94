"""What the page's buttons do, without the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import images
from srcli.errors import SrcliError
from srcli.images.source import TooLarge
from srcli.schema import stamped
from srcli.service import Limits, Models, Stop, Wanted, enlarge, without_folder
from srcli.web import previews

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srcli.batch.records import Record
    from srcli.images.picture import Picture


class Refused(SrcliError):
    """A picture that the page cannot enlarge, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A result: its file, what `--json` says of it, how it looks beside its input, and a line about it."""

    file: Path
    record: dict[str, Any]
    whole: previews.Pair
    detail: previews.Pair
    line: str


class Desk:
    """Takes pictures and gives results; visitors may share it.

    models: which visitors may choose.
    limits: for each picture.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self.models, self.limits = models, limits
        self._stops: dict[str, list[Stop]] = {}
        self._lock = threading.Lock()

    def look(self, source: Path, model: str, folder: Path) -> tuple[str, str]:
        """A preview of a picture, and a line about it: its size, and what `auto` picks for it. Raises Refused."""
        picture = self._read(source)
        told = f"{source.name} · {picture.size}"
        upscaler = self.models.get(model)
        if upscaler.choices and (choice := upscaler.pick(picture).choice):
            told += f" · {model} picks {choice.model}: {choice.why}"
        return previews.preview(picture, folder), told

    def make(
        self, source: Path, wanted: Wanted, folder: Path, visitor: str, progress: Callable[[int, int], None]
    ) -> Made:
        """Enlarge a picture. Raises Refused.

        folder: an empty one, for the result and its previews.
        visitor: whose; `stop` ends the work for one.
        """
        with self._stoppable(visitor) as stop:
            record = enlarge(
                source, folder / "result", wanted, self.models, limits=self.limits, stop=stop, progress=progress
            )
            if record.status != "done" or record.output is None:
                raise Refused(str(without_folder(record, source.parent, folder / "result").error))
            file = Path(record.output)
            before, after = self._read(source), images.read(file, max_pixels=self.limits.result)
            scale = after.size.width / before.size.width
            shown = without_folder(record, source.parent, folder / "result")
            return Made(
                file=file,
                record=stamped("file", shown.to_dict()),
                whole=previews.whole(before, after, folder),
                detail=previews.detail(before, after, scale, folder),
                line=line(shown),
            )

    def stop(self, visitor: str) -> None:
        """End the work for a visitor."""
        with self._lock:
            for stop in self._stops.get(visitor, ()):
                stop.asked.set()

    def _read(self, source: Path) -> Picture:
        try:
            return images.read(source, max_pixels=self.limits.pixels)
        except TooLarge:
            raise Refused(
                f"{source.name} has more pixels than this page takes: {self.limits.pixels / 1e6:g} megapixels"
            ) from None
        except images.ImageError as error:
            raise Refused(str(error).replace(f"{source.parent}/", "")) from None

    @contextmanager
    def _stoppable(self, visitor: str) -> Iterator[Stop]:
        stop = Stop(self.limits.seconds)
        with self._lock:
            self._stops.setdefault(visitor, []).append(stop)
        try:
            yield stop
        finally:
            with self._lock:
                self._stops[visitor].remove(stop)
                if not self._stops[visitor]:
                    del self._stops[visitor]


def line(record: Record) -> str:
    """A result in one line, and its notes."""
    said = [f"{record.width}x{record.height}", f"{record.seconds:.1f} s"]
    said.append(f"{record.model}: {record.choice['why']}" if record.choice else str(record.model))
    return " · ".join(said) + "".join(f"\n\n{note}" for note in record.notes)
