"""Upscale one file: read and decode it, then write its result."""

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
from srcli.batch import bookkeeping
from srcli.batch.batches import RunOptions, UpscaleBatch
from srcli.batch.ledger import key_of
from srcli.batch.names import STREAM, Item, output_path
from srcli.batch.records import Record
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A decoded file that waits for the model.

    frames: the frames of the source that the result will have.
    chosen: the model and its sampling.
    """

    item: Item
    key: str
    source: Source
    picture: Picture
    path: Path
    size: Size
    record: Record
    frames: tuple[int, ...]
    chosen: Chosen


def prepare(item: Item, batch: UpscaleBatch) -> Prepared | Record:
    """Read and decode a file and plan its result; a record if nothing is to be made. Raises SrcliError."""
    if item.source != STREAM and item.folder.is_dir():
        batch.sweep(item.folder)
    data, ledger = bookkeeping.read_bytes(item), batch.ledger(item)
    key = "" if ledger is None else key_of(data, batch.settings() | {"place": ledger.place(item)})
    for known in (bookkeeping.done_before, bookkeeping.refused_before):
        if record := known(item, key, batch):
            return record
    if record := bookkeeping.earlier_result(item, batch):
        return record
    name = "standard input" if item.source == STREAM else str(item.source)
    try:
        source = images.open_bytes(data, name, batch.options.max_pixels)
        picture = source.picture(batch.options.frame or 0)
    except images.ImageError as error:
        return bookkeeping.refused(item, key, batch, error)
    return _planned(item, key, source, picture, batch)


def _planned(item: Item, key: str, source: Source, picture: Picture, batch: UpscaleBatch) -> Prepared | Record:
    """Plan the result of a decoded file; a record if nothing is to be made. Raises SrcliError."""
    if batch.target.reached(picture.size):
        return bookkeeping.large_enough(item, picture.size, batch.target)
    options, chosen = batch.options, batch.upscaler.pick(picture, batch.sampling, batch.target)
    size = chosen.upscaler.size_for(picture.size, batch.target)
    moving, model = source.animated and options.frame is None, chosen.upscaler.entry.name
    path = output_path(item, picture.size, batch.target, options.suffix, model=model, animated=moving)
    frames, notes = _frames(source, path, options)
    record = Record(
        input=str(item.source),
        status="planned",
        output=str(path),
        width=size.width,
        height=size.height,
        scale=batch.target.factor(picture.size),
        frames=len(frames) if len(frames) > 1 else None,
        notes=picture.notes + notes,
        **_model_facts(chosen),
    )
    if path != STREAM:
        batch.sweep(path.parent)
        if why := bookkeeping.reason_to_skip(path, batch, item):
            return replace(record, status="skipped", error=why)
        check_size(kind_of(path), size)
    if options.dry_run:
        return record
    return Prepared(
        item=item,
        key=key,
        source=source,
        picture=picture,
        path=path,
        size=size,
        record=record,
        frames=frames,
        chosen=chosen,
    )


def _model_facts(chosen: Chosen) -> dict[str, Any]:
    """The fields of a record that describe the model and why it was chosen."""
    facts: dict[str, Any] = {"model": chosen.upscaler.entry.name}
    if chosen.upscaler.model.most_detail:
        facts["detail"] = chosen.sampling.detail
    if chosen.upscaler.has("denoise"):
        facts["denoise"] = 1.0 if chosen.sampling.denoise is None else chosen.sampling.denoise
    if chosen.choice and chosen.seen:
        seen = {name: value if value is None else round(value, 3) for name, value in asdict(chosen.seen).items()}
        facts["choice"] = {"kind": chosen.choice.kind, "why": chosen.choice.why, "seen": seen}
        if chosen.choice.instead_of:
            facts["choice"]["instead_of"] = chosen.choice.instead_of
    return facts


def _frames(source: Source, path: Path, options: RunOptions) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The frames that the result will have, and a note if some are left out."""
    if options.frame is not None or source.frames == 1:
        return (options.frame or 0,), ()
    kind = "pages" if not source.animated else "frames"
    if path == STREAM or can_animate(path, pages=not source.animated):
        return tuple(range(source.frames)), ()
    name = FORMATS.get(path.suffix.lower(), "the format")
    return (0,), (
        f"{name} holds a single picture: the first of {source.frames} {kind} is used; choose another with --frame",
    )


@dataclass(slots=True)
class Writing:
    """Writes a result to its file. `open` claims the file; `write` or `close` releases it.

    stream: the bands of a still picture; None for an animation, whose frames are computed while they are written.
    counts: tile counts of the frames, complete after the last band.
    """

    prepared: Prepared
    batch: UpscaleBatch
    stream: Stream | None
    counts: list[Count] = field(default_factory=list)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _destination: images.Destination | None = None
    _ledger_notes: tuple[str, ...] = ()  # notes, if the ledger could not be written

    def open(self) -> Record | None:
        """Claim the result's file; a record if the result need not be made. Raises SrcliError."""
        prepared, options = self.prepared, self.batch.options
        path = prepared.path
        if path == STREAM:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            suffix = options.suffix or images.writable_suffix(
                prepared.item.source.suffix, animated=len(prepared.frames) > 1
            )
            path = Path(folder) / f"result{suffix}"
        destination = images.Destination(
            path, prepared.size, overwrite=options.overwrite, style=options.style, before=self._before_rename
        )
        try:
            self._destination = self._stack.enter_context(destination)
        except files.Taken as taken:
            return replace(prepared.record, status="skipped", error=str(taken))
        if why := bookkeeping.made_elsewhere(path, prepared.key, self.batch, prepared.item):
            self.close()
            return replace(prepared.record, status="skipped", error=why)
        return None

    def close(self) -> None:
        self._stack.close()

    def write(self, bands: Iterable[Band], progress: Callable[[int, int], None]) -> Record:
        """Encode the bands and finish the file. Raises SrcliError."""
        assert self._destination is not None, "open() comes first"
        with self._stack:
            notes = self._encode(self._destination, bands, progress)
            if self.prepared.path == STREAM:
                with self._destination.path.open("rb") as file, contextlib.suppress(BrokenPipeError):
                    shutil.copyfileobj(file, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
        record = self.prepared.record
        return replace(record, status="done", notes=tuple(dict.fromkeys(record.notes + notes + self._ledger_notes)))

    def _before_rename(self, part: Path) -> None:
        prepared = self.prepared
        counts = self.counts if self.stream is None else [self.stream.count]
        guarded = sum(count.guarded for count in counts)
        if guarded and self.batch.options.provenance and not self.batch.options.strip:
            amend(part, guarded)
        bare = replace(prepared.record, notes=())
        self._ledger_notes = bookkeeping.enter_result(
            bare, prepared.path, part, prepared.key, self.batch.ledger(prepared.item)
        ).notes

    def _encode(
        self, destination: images.Destination, bands: Iterable[Band], progress: Callable[[int, int], None]
    ) -> tuple[str, ...]:
        if self.stream is not None:
            layout, notes = self._layout(self.prepared.picture, self.stream.layout)
            return notes + destination.write(layout, bands)
        first = next(frames := self._frame_bands(progress))
        max_bytes = sum(_max_bytes(self.prepared, self.batch, n) for n in self.prepared.frames)

        def chained() -> Iterator[tuple[Layout, Iterable[Band]]]:
            yield first
            yield from frames

        return destination.write_frames(chained(), self.prepared.source.loop, max_bytes)

    def _frame_bands(self, progress: Callable[[int, int], None]) -> Iterator[tuple[Layout, Iterable[Band]]]:
        """Yield the layout and bands of each frame."""
        count = len(self.prepared.frames)
        for done, number in enumerate(self.prepared.frames):
            picture = self.prepared.picture if done == 0 else self.prepared.source.picture(number)

            def part(pixels: int, total: int, done: int = done) -> None:
                progress(done * total + pixels, count * total)

            stream = self.prepared.chosen.upscaler.stream(
                picture, self.batch.target, self.prepared.chosen.sampling, part
            )
            self.counts.append(stream.count)
            layout, _ = self._layout(picture, stream.layout)
            yield layout, stream.bands()

    def _layout(self, picture: Picture, layout: Layout) -> tuple[Layout, tuple[str, ...]]:
        """Add the metadata of the result to a layout."""
        provenance = None
        if self.batch.options.provenance and not self.batch.options.strip:
            chosen = self.prepared.chosen
            sampling = chosen.upscaler.settled(chosen.sampling)
            scale = self.batch.target.factor(picture.size)
            detail, temperature = sampling.detail, sampling.temperature or 0.0
            why = chosen.choice.why if chosen.choice else ""
            provenance = Provenance(
                version=__version__,
                model=chosen.upscaler.entry.name,
                scale=scale,
                detail=detail,
                temperature=temperature,
                seed=sampling.seed,
                why=why,
                denoise=None if sampling.denoise == 1 else sampling.denoise,
            )
        data, notes = described(picture.metadata, layout.size, provenance, strip=self.batch.options.strip)
        return replace(layout, metadata=data), notes


def _max_bytes(prepared: Prepared, batch: UpscaleBatch, frame: int) -> int:
    """An upper bound on the bytes of a frame's result."""
    picture = prepared.picture if frame == prepared.frames[0] else prepared.source.picture(frame)
    size = batch.target.size(picture.size)
    return size.height * size.width * 4 * picture.colour.dtype.itemsize
