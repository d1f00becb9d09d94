"""One file from its bytes to its result."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import __version__, files, images
from srcli.batch import reading
from srcli.batch.job import Job, Options, Record
from srcli.batch.ledger import key_of
from srcli.batch.plan import STREAM, Item, output_path
from srcli.geometry import Size
from srcli.images.amend import amend
from srcli.images.encode import FORMATS
from srcli.images.layout import Band, Layout
from srcli.images.metadata import Provenance
from srcli.images.picture import Picture
from srcli.images.source import Source
from srcli.images.write import can_animate, check_size, described, kind_of

if TYPE_CHECKING:
    from srcli.tiling.strips import Count
    from srcli.upscaler import Chosen, Stream


@dataclass(frozen=True, slots=True)
class Ready:
    """A file that is decoded and waits for the model."""

    item: Item
    key: str
    source: Source
    picture: Picture
    path: Path
    size: Size
    record: Record
    frames: tuple[int, ...]  # which of the source's are made
    how: Chosen


def prepare(item: Item, job: Job) -> Ready | Record:
    """Read and decode a file and decide what to do with it. Raises SrcliError."""
    if item.source != STREAM and item.folder.is_dir():
        job.sweep(item.folder)
    data, ledger = reading.bytes_of(item), job.ledger(item)
    key = "" if ledger is None else key_of(data, job.settings() | {"place": ledger.place(item)})
    for known in (reading.done_before, reading.refused_before):
        if record := known(item, key, job):
            return record
    if record := reading.earlier_result(item, job):
        return record
    options = job.options
    try:
        source = images.open_bytes(data, "standard input" if item.source == STREAM else str(item.source), options.most)
        picture = source.picture(options.frame or 0)
    except images.ImageError as error:
        return reading.refused(item, key, job, error)
    how = job.upscaler.of(picture, job.sampling)
    size = how.upscaler.size_for(picture.size, job.target)
    moving = source.animated and options.frame is None
    path = output_path(item, picture.size, job.target, options.suffix, model=how.upscaler.entry.name, animated=moving)
    frames, notes = _frames(source, path, options)
    factor = job.target.factor(picture.size)
    record = Record(
        str(item.source), "planned", output=str(path), width=size.width, height=size.height, scale=factor,
        frames=len(frames) if len(frames) > 1 else None, notes=picture.notes + notes, **_told(how),
    )  # fmt: skip
    if path != STREAM:
        job.sweep(path.parent)
        if why := reading.why_kept(path, job, item):
            return replace(record, status="skipped", error=why)
        check_size(kind_of(path), size)
    return record if options.dry_run else Ready(item, key, source, picture, path, size, record, frames, how)


def _told(how: Chosen) -> dict[str, Any]:
    """What a record says of who makes a picture."""
    told: dict[str, Any] = {"model": how.upscaler.entry.name}
    if how.upscaler.model.most_detail:
        told["detail"] = how.sampling.detail
    if how.choice and how.seen:
        seen = {name: value if value is None else round(value, 3) for name, value in asdict(how.seen).items()}
        told["choice"] = {"kind": how.choice.kind, "why": how.choice.why, "seen": seen}
    return told


def _frames(source: Source, path: Path, options: Options) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The frames that the result will have, and a note where those are fewer."""
    if options.frame is not None or source.frames == 1:
        return (options.frame or 0,), ()
    kind = "pages" if not source.animated else "frames"
    if path == STREAM or can_animate(path, pages=not source.animated):
        return tuple(range(source.frames)), ()
    name = FORMATS.get(path.suffix.lower(), "the format")
    return (0,), (f"{name} holds one picture: the first of {source.frames} {kind} is used; --frame takes another",)


@dataclass(slots=True)
class Writing:
    """A result on its way to its file, which `open` claims and `write` or `close` leaves."""

    ready: Ready
    job: Job
    stream: Stream | None  # None: frames, which are made while they are written
    counts: list[Count] = field(default_factory=list)  # of the frames; complete after the last band
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _destination: images.Destination | None = None
    _unentered: tuple[str, ...] = ()  # why the ledger does not know of it

    def open(self) -> Record | None:
        """Claim the result's file; a record where it is not to be made. Raises SrcliError."""
        ready, options = self.ready, self.job.options
        path = ready.path
        if path == STREAM:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            suffix = options.suffix or images.writable_suffix(ready.item.source.suffix, animated=len(ready.frames) > 1)
            path = Path(folder) / f"result{suffix}"
        destination = images.Destination(
            path, ready.size, overwrite=options.overwrite, style=options.style, before=self._enter
        )
        try:
            self._destination = self._stack.enter_context(destination)
        except files.Taken as taken:
            return replace(ready.record, status="skipped", error=str(taken))
        if why := reading.made_meanwhile(path, ready.key, self.job, ready.item):
            self.close()
            return replace(ready.record, status="skipped", error=why)
        return None

    def close(self) -> None:
        self._stack.close()

    def write(self, bands: Iterable[Band], progress: Callable[[int, int], None]) -> Record:
        """Take the bands and finish the file. Raises SrcliError."""
        assert self._destination is not None, "opened before"
        with self._stack:
            notes = self._encode(self._destination, bands, progress)
            if self.ready.path == STREAM:
                with self._destination.path.open("rb") as file, contextlib.suppress(BrokenPipeError):
                    shutil.copyfileobj(file, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
        record = self.ready.record
        return replace(record, status="done", notes=tuple(dict.fromkeys(record.notes + notes + self._unentered)))

    def _enter(self, part: Path) -> None:
        ready = self.ready
        counts = self.counts if self.stream is None else [self.stream.count]
        guarded = sum(count.guarded for count in counts)
        if guarded and self.job.options.provenance and not self.job.options.strip:
            amend(part, guarded)
        bare = replace(ready.record, notes=())
        self._unentered = reading.enter(bare, ready.path, part, ready.key, self.job.ledger(ready.item)).notes

    def _encode(
        self, destination: images.Destination, bands: Iterable[Band], progress: Callable[[int, int], None]
    ) -> tuple[str, ...]:
        if self.stream is not None:
            layout, notes = self._layout(self.ready.picture, self.stream.layout)
            return notes + destination.write(layout, bands)
        first = next(frames := self._made(progress))
        most = sum(_bytes_of(self.ready, self.job, n) for n in self.ready.frames)

        def chained() -> Iterator[tuple[Layout, Iterable[Band]]]:
            yield first
            yield from frames

        return destination.write_frames(chained(), self.ready.source.loop, most)

    def _made(self, progress: Callable[[int, int], None]) -> Iterator[tuple[Layout, Iterable[Band]]]:
        """Frame after frame through the model."""
        count = len(self.ready.frames)
        for done, number in enumerate(self.ready.frames):
            picture = self.ready.picture if done == 0 else self.ready.source.picture(number)

            def part(pixels: int, total: int, done: int = done) -> None:
                progress(done * total + pixels, count * total)

            stream = self.ready.how.upscaler.stream(picture, self.job.target, self.ready.how.sampling, part)
            self.counts.append(stream.count)
            layout, _ = self._layout(picture, stream.layout)
            yield layout, stream.bands()

    def _layout(self, picture: Picture, layout: Layout) -> tuple[Layout, tuple[str, ...]]:
        """The layout with the metadata of the result."""
        provenance = None
        if self.job.options.provenance and not self.job.options.strip:
            how = self.ready.how
            sampling = how.upscaler.settled(how.sampling)
            scale = self.job.target.factor(picture.size)
            detail, temperature = sampling.detail, sampling.temperature or 0.0
            why = how.choice.why if how.choice else ""
            provenance = Provenance(
                __version__, how.upscaler.entry.name, scale, detail, temperature, sampling.seed, why
            )
        data, notes = described(picture.metadata, layout.size, provenance, strip=self.job.options.strip)
        return replace(layout, metadata=data), notes


def _bytes_of(ready: Ready, job: Job, frame: int) -> int:
    """Of a frame's result, at the most."""
    picture = ready.picture if frame == ready.frames[0] else ready.source.picture(frame)
    size = job.target.size(picture.size)
    return size.height * size.width * 4 * picture.colour.dtype.itemsize
