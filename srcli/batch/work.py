"""Upscale one file: read and decode it, then write its result."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import files, images
from srcli.batch import bookkeeping
from srcli.batch.batches import RunOptions, UpscaleBatch
from srcli.batch.earlier import made_now
from srcli.batch.facts import counts_of, facts_of
from srcli.batch.ledger import key_of
from srcli.batch.names import STREAM, Item, output_path
from srcli.batch.records import Record
from srcli.geometry import Size
from srcli.images.amend import amend
from srcli.images.encode import FORMATS
from srcli.images.layout import Band, Layout
from srcli.images.picture import Picture
from srcli.images.source import NotWritten, Source, TooLarge
from srcli.images.write import can_animate, check_size, described, kind_of
from srcli.provenance import Facts

if TYPE_CHECKING:
    from srcli.tiling.strips import Count
    from srcli.upscaler import Chosen, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A decoded file that waits for the model.

    frames: the frames of the source that the result will have.
    chosen: the model and its sampling.
    sha256: of the source's bytes.
    made: how the result is made, for the ledger.
    replaces: whether the result replaces a file.
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
    sha256: str
    made: dict[str, Any]
    replaces: bool


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
    return _planned(item, key, source, picture, batch, hashlib.sha256(data).hexdigest())


def _planned(
    item: Item, key: str, source: Source, picture: Picture, batch: UpscaleBatch, sha256: str
) -> Prepared | Record:
    """Plan the result of a decoded file; a record if nothing is to be made. Raises SrcliError."""
    if batch.target.reached(picture.size):
        return bookkeeping.large_enough(item, picture.size, batch.target)
    options, chosen = batch.options, batch.upscaler.pick(picture, batch.sampling, batch.target)
    size = chosen.upscaler.size_for(picture.size, batch.target)
    if options.max_result is not None and size.height * size.width > options.max_result:
        raise TooLarge(
            f"{source.name}: the result would have {size} pixels, more than the limit of {options.max_result}"
        )
    moving, model = source.animated and options.frame is None, chosen.upscaler.entry.name
    path = output_path(item, picture.size, batch.target, options.suffix, model=model, animated=moving)
    if item.file is None and item.template is None:
        path = bookkeeping.named_apart(path, batch, item, sha256, model=model, chosen=chosen.choice is not None)
    frames, notes = _frames(source, path, options)
    scale = batch.target.factor(picture.size)
    made = made_now(chosen, batch, size, scale, path)
    record = Record(
        input=str(item.source),
        status="planned",
        output=str(path),
        width=size.width,
        height=size.height,
        scale=scale,
        frames=len(frames) if len(frames) > 1 else None,
        notes=picture.notes + notes,
        **_model_facts(chosen),
    )
    if path != STREAM:
        batch.sweep(path.parent)
        if outcome := bookkeeping.standing(path, batch, item, sha256, made):
            return replace(record, **outcome)
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
        sha256=sha256,
        made=made,
        replaces=options.overwrite or (options.remake_stale and os.path.lexists(path)),
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
    _frame_notes: tuple[str, ...] = ()  # notes of reading the frames after the first

    def open(self) -> Record | None:
        """Claim the result's file; a record if the result need not be made. Raises SrcliError."""
        prepared, options = self.prepared, self.batch.options
        path = prepared.path
        if path == STREAM:
            folder = self._stack.enter_context(files.temporary_folder())
            suffix = options.suffix or images.writable_suffix(
                prepared.item.source.suffix, animated=len(prepared.frames) > 1
            )
            path = Path(folder) / f"result{suffix}"
        destination = images.Destination(
            path, prepared.size, overwrite=prepared.replaces, style=options.style, before=self._before_rename
        )
        try:
            self._destination = self._stack.enter_context(destination)
        except files.Taken as taken:
            return replace(prepared.record, **bookkeeping.busy(taken))
        if outcome := bookkeeping.made_elsewhere(
            path, prepared.key, self.batch, prepared.item, replaces=prepared.replaces
        ):
            self.close()
            return replace(prepared.record, **outcome)
        return None

    def close(self) -> None:
        self._stack.close()

    def write(self, bands: Iterable[Band], progress: Callable[[int, int], None]) -> Record:
        """Encode the bands and finish the file. Raises SrcliError."""
        assert self._destination is not None, "open() comes first"
        with self._stack:
            notes = self._encode(self._destination, bands, progress)
            if self.prepared.path == STREAM:
                _send(self._destination.path)
        record = replace(self.prepared.record, facts=self.facts(self.prepared.picture, self.prepared.size))
        told = record.notes + self._frame_notes + notes + self._ledger_notes
        return replace(record, status="done", notes=tuple(dict.fromkeys(told)))

    def _before_rename(self, part: Path) -> None:
        prepared = self.prepared
        if self._tells:
            amend(part, counts_of(self.counts if self.stream is None else [self.stream.count]))
        bare = replace(prepared.record, notes=())
        ledger, facts = self.batch.ledger(prepared.item), {"sha256": prepared.sha256, "made": prepared.made}
        self._ledger_notes = bookkeeping.enter_result(bare, prepared.path, part, prepared.key, ledger, **facts).notes

    @property
    def _tells(self) -> bool:
        """Whether the file says how it was made."""
        return self.batch.options.provenance and not self.batch.options.strip

    def facts(self, picture: Picture, size: Size) -> Facts:
        """How a frame of this size is made from a picture, without the counts."""
        prepared = self.prepared
        suffix = prepared.path.suffix if self._destination is None else self._destination.path.suffix
        return facts_of(picture, size, prepared.chosen, self.batch, suffix=suffix, sha256=prepared.sha256)

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
            self._frame_notes += picture.notes
            self.counts.append(stream.count)
            layout, _ = self._layout(picture, stream.layout)
            yield layout, stream.bands()

    def _layout(self, picture: Picture, layout: Layout) -> tuple[Layout, tuple[str, ...]]:
        """Add the metadata of the result to a layout."""
        provenance = self.facts(picture, layout.size) if self._tells else None
        data, notes = described(picture.metadata, layout.size, provenance, strip=self.batch.options.strip)
        return replace(layout, metadata=data), notes


def _send(path: Path) -> None:
    """Copy a file to standard output. Raises NotWritten."""
    try:
        with path.open("rb") as file, contextlib.suppress(BrokenPipeError):
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except OSError as error:
        raise NotWritten(f"cannot write standard output: {error.strerror or error}") from None


def _max_bytes(prepared: Prepared, batch: UpscaleBatch, frame: int) -> int:
    """An upper bound on the bytes of a frame's result."""
    picture = prepared.picture if frame == prepared.frames[0] else prepared.source.picture(frame)
    size = batch.target.size(picture.size)
    return size.height * size.width * 4 * picture.colour.dtype.itemsize
